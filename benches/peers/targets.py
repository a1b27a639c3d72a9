"""What Deskgate is meant to cost at most, and whether it does."""
from dataclasses import dataclass

import figures
import speeds
from speeds import SPEEDS


@dataclass
class Verdict:
    """One line of the table: `value` is in the target's own unit; nothing was measured where it is `None`."""
    what: str
    target: str
    value: float | None
    holds: bool | None
    note: str = ""
    rounds: int | None = None           # how many it is the median of, where it is one


def verdicts(found, growth=None):
    """Every target, with what was found."""
    return [
        at_most("CPU per request, small, route without masking", "bare Pingora", 1.10, cpu(found, "small", "deskgate", "bare")),
        at_most("the same", "nginx with allow/deny, limit_req, JSON access log", 1.0, cpu(found, "small", "deskgate", "nginx-own")),
        at_most("CPU per request, mid, phone and email masked", "bare Pingora", 1.5, cpu(found, "mid", "deskgate", "bare")),
        less("the same", "nginx + Lua", 12, cpu(found, "mid", "nginx-lua", "deskgate")),
        at_most("CPU per request, big, masked", "bare Pingora", 1.6, cpu(found, "big", "deskgate", "bare")),
        less("the same", "nginx + Lua", 18, cpu(found, "big", "nginx-lua", "deskgate")),
        *rewriters(found),
        at_most("p99 at 70 % load, small", "bare Pingora", 1.15, of_rows(found, "small", "deskgate", "bare", "p99")),
        idle(found),
        *memory(found),
        *grown(growth),
        *reload(found),
    ]


def rewriters(found):
    taken = found["apart"].get("speeds", {})
    for name, speed in SPEEDS.items():
        if speed.target:
            values = taken.get("speeds", {}).get(name, [])
            value = figures.median(values)
            note = "" if value is None else f"{value:.2f} GB/s, {figures.median(speeds.ratios(taken, name)):.2f}x {speed.peer_told}"
            holds = None if value is None else value >= speed.target
            yield Verdict(speed.told, f"at least {speed.target:g} GB/s a core", value, holds, note, len(values))


def at_most(what, against, limit, ratios):
    ratio = figures.median(ratios)
    return Verdict(what, f"at most {limit:g}x {against}", ratio, None if ratio is None else round(ratio, 2) <= limit, figures.told(ratios, "x"), len(ratios))


def less(what, against, times, ratios):
    ratio = figures.median(ratios)
    return Verdict(what, f"at least {times}x less than {against}", ratio, None if ratio is None else ratio >= times, figures.told(ratios, "x"), len(ratios))


def row(found, workload, peer):
    result = next((w for w in found["workloads"] if w["name"] == workload), None)
    return (result or {"peers": {}})["peers"].get(peer)


def of_rows(found, workload, ours, theirs, key):
    a, b = row(found, workload, ours), row(found, workload, theirs)
    return figures.ratios(a[key], b[key]) if a and b else []


def cpu(found, workload, ours, theirs):
    return of_rows(found, workload, ours, theirs, "cpu")


def idle(found):
    peers = found["apart"].get("idle", {}).get("peers", {})
    added = {name: peers[name].get("added") for name in ("deskgate", "bare") if name in peers}
    ratio = added["deskgate"] / added["bare"] if added.get("deskgate") and added.get("bare") else None
    return Verdict("memory of 10,000 idle keep-alive connections", "at most 1.2x bare Pingora", ratio, None if ratio is None else round(ratio, 2) <= 1.2)


def memory(found):
    rows = found["apart"].get("memory", {}).get("rows", [])
    if not rows:
        yield Verdict("memory: masked answers of 1 GiB, uploads of 20 MB", "at most 256 KiB each", None, None)
    for one in rows:
        yield Verdict(f"memory: {one['what']}", "at most 256 KiB", one["kib"], one["kib"] <= 256, f"{one['kib']:.0f} KiB")


def grown(growth):
    judged = [c for c in (growth or {}).get("curves", []) if c.get("limit")]
    if not judged:
        yield Verdict("growth: list entries, live sessions, route patterns", "at most 1.2x itself at the small end", None, None,
                      "`benches/peers/run --growth`")
    for curve in judged:
        first, last = curve["points"][0], curve["points"][-1]
        what = f"growth: {curve['told']}, {first['label']} to {last['label']}"
        yield at_most(what, "itself at the small end", curve["limit"], figures.ratios(last["values"], first["values"]))


def reload(found):
    taken = found["apart"].get("reload") or {}
    ratios = figures.ratios(taken.get("reloading", []), taken.get("still", []))
    yield at_most("reload under load: p99", "itself without reload", 1.2, ratios)
    lost = taken.get("lost")
    yield Verdict("reload under load: requests lost", "none", lost, None if lost is None else lost == 0,
                  "" if lost is None else f"{lost} of {taken['requests']:,} in {taken['reloads']} reloads")
