"""Deskgate's policies: the demo's, with every control armed, changed only where a run must differ.

Changes are made to the demo's text, so that a control that is added there is measured here too. A piece of text that
is not found stops the run: a policy that silently lacks what a figure claims would be worse than none.
"""
import re
from pathlib import Path

import tools

DEMO = tools.ROOT / "config/demo/policy.yaml"
PROFILES = tools.ROOT / "config/profiles"
# Masking holds everywhere but on tickets, so that the workload "small" is a route without masking under an armed policy.
MASKED_ON = "[page, customer_profile, customer_search, bulk_read, export]"


def policy(*, port, admin, origin, work, find="named_places", allowed=("127.0.0.1/32", "10.0.0.0/8"), rate=1_000_000,
           wire="plain", certificate=None, key=None, profile="tinydesk", name="Peers", routes=(), hide=("phone", "email")):
    """The text of a policy. `hide` has one masking rule for each name, `routes` are patterns that the app gets besides."""
    text = DEMO.read_text()
    text = block(text, "name", f"name: {name}")
    text = block(text, "listen", listen(port, admin, wire, certificate, key))
    text = block(text, "app", app(port, origin, wire, profile, routes))
    text = block(text, "networks", "networks:\n  this_machine: [" + ", ".join(f'"{a}"' for a in allowed) + "]")
    text = swap(text, "exports:\n  allow: [manager]", "exports:\n  allow: [manager, agent]")
    text = block(text, "masking", masking(hide, find))
    text = swap(text, "per_address: 200 per 1s", f"per_address: {rate} per 1s\n  connections: 1000000\n  keep_alive: 600s")
    text = swap(text, "write_to: stdout", f"write_to: file {records(work)}")
    return text + f"\nstate:\n  directory: {work}/state\n"


def records(work):
    """Where decisions are written. Not beside the policy, whose directory is watched: as in config/policy.yaml."""
    return Path(work) / "records/decisions.jsonl"


def listen(port, admin, wire, certificate, key):
    ways = {
        "plain": f"  - http: 127.0.0.1:{port}",
        "h2c": f"  - http: 127.0.0.1:{port}\n    http2: true",
        "tls": f"  - https: 127.0.0.1:{port}\n    certificate: {certificate}\n    key: {key}",
    }
    return f"listen:\n{ways[wire]}\n  - admin: 127.0.0.1:{admin}"


def app(port, origin, wire, profile, routes):
    scheme = "https" if wire == "tls" else "http"
    lines = ["app:", f"  profile: {profile}", f"  upstream: http://127.0.0.1:{origin}",
             f"  public_url: {scheme}://127.0.0.1:{port}"]
    if routes:
        lines += ["  overrides:", "    routes:"]
        lines += [f'      more_{i}: {{ is: page, match: "GET {pattern}" }}' for i, pattern in enumerate(routes)]
    return "\n".join(lines)


def masking(hide, find):
    rules = [f"  - {{ hide: {field}, from: agent, find: {find}, on: {MASKED_ON} }}" for field in hide]
    return "masking:\n" + "\n".join(rules)


def profile_with_fields(names):
    """The demo's profile with a field for each name, found under that name."""
    text = (PROFILES / "tinydesk.yaml").read_text()
    fields = "".join(f"  {name}: {{ names: [{name}] }}\n" for name in names)
    text = swap(text, "fields:\n", "fields:\n" + fields)
    return text


def swap(text, old, new):
    if text.count(old) != 1:
        raise ValueError(f"the demo's policy or profile has {text.count(old)} times, not once: {old!r}")
    return text.replace(old, new)


def block(text, key, new):
    """Puts `new` in the place of a top-level key and all that is below it."""
    text, times = re.subn(rf"^{key}:.*\n(?:[ \t#].*\n|\n(?=[ \t]))*", lambda _: new + "\n", text, count=1, flags=re.M)
    if times != 1:
        raise ValueError(f"the demo's policy has no block {key!r}")
    return text
