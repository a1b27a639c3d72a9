"""Speeds of the rewriters by themselves, and of what others use for a part of it: `cargo bench --bench rewrite`."""
import re
import subprocess
from dataclasses import dataclass

import figures
from processes import PROXY_CORE, on_core
from tools import say

# Of one benchmark in one round.
SAMPLES = 50
UNITS = {"B": 1e-9, "KB": 1e-6, "MB": 1e-3, "GB": 1.0, "TB": 1e3}
LINE = re.compile(r"^(?P<indent>(?:│ {2}| {3})*)(?:├─|╰─) (?P<name>\S+)")
SPEED = re.compile(r"([\d.]+) ([KMGT]?B)/s")


@dataclass(frozen=True)
class Speed:
    """A benchmark, by its name, with what it is compared to; `target` in GB a second."""
    told: str
    peer: str
    peer_told: str
    target: float | None = None


SPEEDS = {
    "json.by_key": Speed("JSON mask, key rules, no value to hide", "json.peer_simd_json", "simd-json's tape", 3),
    "json.by_path": Speed("JSON mask, path rules, no value to hide", "json.peer_simd_json", "simd-json's tape", 1.5),
    "json.by_key_with_hits": Speed("JSON by key, five values in each 750 bytes", "json.peer_serde_json", "serde_json, value and back"),
    "json.everywhere_of_prose": Speed("JSON, every text searched, prose", "json.peer_serde_json", "serde_json, value and back"),
    "json.everywhere": Speed("JSON, every text searched, five values in each 750 bytes", "json.peer_serde_json", "serde_json, value and back"),
    "csv.by_column": Speed("CSV by column, no value to hide", "csv.peer_csv", "the csv crate", 2),
    "csv.by_column_with_hits": Speed("CSV by column, a value in each row", "csv.peer_csv", "the csv crate"),
    "text.detectors": Speed("text detectors, a list of tickets", "text.peer_regex", "the regex crate, one simple pattern", 1),
    "html.list": Speed("HTML, every text searched, a list of tickets", "html.peer_lol_html_list", "lol_html without handlers", 0.4),
    "html.table": Speed("HTML, every text searched, cells with attributes", "html.peer_lol_html_table", "lol_html without handlers"),
    "memcpy": Speed("memcpy in pieces of 16 KiB", "memcpy", "itself"),
}


def of_rewriters(fleet, tools, options):
    """All benchmarks in rounds, on the proxy's core: GB a second by name, one for each round."""
    speeds = {}
    # Each takes long.
    rounds = max(1, options.rounds // 3)
    for number in range(rounds):
        command = on_core(PROXY_CORE, [tools["rewrite"], "--bench", "--sample-count", SAMPLES])
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
        for name, speed in read(done.stdout).items():
            speeds.setdefault(name, []).append(speed)
        say(f"  speeds {number + 1}/{rounds}: " + ", ".join(f"{name} {values[-1]:.2f}" for name, values in speeds.items() if name in SPEEDS))
    absent = sorted({name for one, speed in SPEEDS.items() for name in (one, speed.peer)} - speeds.keys())
    assert not absent, f"benches/rewrite has no {', '.join(absent)}"
    return {"speeds": speeds}


def read(printed):
    """The median speeds of divan's table, in GB a second."""
    path, found = [], {}
    for line in printed.splitlines():
        named = LINE.match(line)
        if named:
            depth = len(named["indent"]) // 3
            path[depth:] = [named["name"]]
        speeds = SPEED.findall(line)
        if path and len(speeds) == 4:
            # Fastest, slowest, median, mean.
            value, unit = speeds[2]
            found[".".join(path)] = float(value) * UNITS[unit]
    return found


def ratios(taken, name):
    """How many times as fast as its peer, by rounds."""
    speeds = taken["speeds"]
    return figures.ratios(speeds.get(name, []), speeds.get(SPEEDS[name].peer, []))
