"""Load: closed loops for cost and throughput, a fixed rate for latency. All of it on the core of the load."""
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from processes import LOAD_CORE, on_core

COOKIE = "tinydesk=0123456789abcdef0123456789abcdef"
HERE = Path(__file__).resolve().parent


class LoadFailed(Exception):
    """A load generator that did not say what it did."""


@dataclass
class Load:
    """What a generator got through: requests answered, a second, and how many not as they should be."""
    requests: int
    rate: float
    wrong: int


def run(command, seconds):
    done = subprocess.run(on_core(LOAD_CORE, command), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=seconds + 60)
    if done.returncode:
        raise LoadFailed(f"{Path(str(command[0])).name} ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-200:]}")
    return done.stdout


def wrk(tools, url, seconds, connections=64, refused=False, script=None, threads=1, accepts=""):
    """As many requests as the connections get through. `accepts` are the codings of answers that the client takes."""
    command = [tools["wrk"], "-t", threads, "-c", connections, "-d", f"{seconds}s", "--timeout", "30s", "-H", f"Cookie: {COOKIE}"]
    command += ["-H", f"Accept-Encoding: {accepts}"] if accepts else []
    out = run([*command, *(["-s", script] if script else []), url], seconds)
    return read_wrk(out, refused)


def read_wrk(out, refused=False):
    requests = int(number(r"(\d+) requests in", out))
    others = int(number(r"Non-2xx or 3xx responses: (\d+)", out, 0))
    errors = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", out)))
    wrong = (requests - others if refused else others) + errors
    return Load(requests, float(number(r"Requests/sec:\s+([\d.]+)", out)), wrong)


def number(pattern, text, default=None):
    found = re.search(pattern, text)
    if not found and default is None:
        raise LoadFailed(f"nothing like {pattern!r} in what the generator said: {text[-200:]!r}")
    return found[1] if found else default


def posting(work, body, kind, cookie=COOKIE):
    """A script with which wrk posts a body. `%d` in the body becomes another number in each request."""
    path = Path(work) / "post.body"
    path.write_bytes(body)
    lines = [f'local file = io.open("{path}", "rb")', 'wrk.body = file:read("*a")', "file:close()", 'wrk.method = "POST"',
             f'wrk.headers["Content-Type"] = "{kind}"', f'wrk.headers["Cookie"] = "{cookie}"' if cookie else 'wrk.headers["Cookie"] = nil']
    if b"%d" in body[:1000]:
        lines += ["math.randomseed(os.time() + tonumber(tostring({}):sub(8), 16))",
                  "function request() return wrk.format(nil, nil, nil, string.format(wrk.body, math.random(1e9))) end"]
    script = Path(work) / "post.lua"
    script.write_text("\n".join(lines) + "\n")
    return script


def h2load(tools, url, seconds, connections=2, streams=100):
    """HTTP/2 with many streams on each connection."""
    out = run([tools["h2load"], "-c", connections, "-m", streams, "-D", seconds, "-H", f"Cookie: {COOKIE}", url], seconds)
    return read_h2load(out)


def read_h2load(out):
    """What was answered; requests under way when the time was over count for nothing."""
    good, *others = map(int, re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", out).groups())
    return Load(good, float(number(r"([\d.]+) req/s", out)), sum(others) + int(number(r"(\d+) timeout", out, 0)))


def handshakes(port, seconds, resumed):
    """New TLS connections one after the other, one request on each (handshakes.py)."""
    out = json.loads(run([sys.executable, HERE / "handshakes.py", port, seconds, "resumed" if resumed else "full"], seconds))
    return Load(out["connections"], out["connections"] / out["seconds"], out["wrong"])


@dataclass
class Latency:
    """Milliseconds from when a request was due until its answer was there."""
    p50: float
    p99: float
    asked: float
    came: float
    requests: int
    lost: int


def latency(tools, url, seconds, rate, connections=64):
    """At a fixed rate. A request that could not be sent in time counts from when it was due: a proxy that stalls
    would otherwise be asked less, and its worst moments left out."""
    return read_oha(oha(tools, url, seconds, connections, "--latency-correction", "-q", f"{rate:.0f}"), rate)


def most(tools, url, seconds, connections=64):
    """Requests a second, as many as this generator can have answered: it needs more of its core than wrk does."""
    return read_oha(oha(tools, url, seconds, connections), None).came


def oha(tools, url, seconds, connections, *more):
    command = [tools["oha"], "--no-tui", "--output-format", "json", *more, "-z", f"{seconds}s", "-c", connections,
               "--disable-compression", "-H", f"Cookie: {COOKIE}", "--redirect", "0", url]
    return json.loads(run(command, seconds))


def read_oha(out, rate):
    if not out["statusCodeDistribution"]:
        raise LoadFailed(f"nothing was answered: {out['errorDistribution']}")
    good = sum(count for status, count in out["statusCodeDistribution"].items() if status.startswith("2"))
    errors = sum(count for what, count in out["errorDistribution"].items() if "deadline" not in what)
    done = sum(out["statusCodeDistribution"].values())
    return Latency(p50=out["latencyPercentiles"]["p50"] * 1000, p99=out["latencyPercentiles"]["p99"] * 1000, asked=rate,
                   came=out["summary"]["requestsPerSec"], requests=done, lost=errors + done - good)
