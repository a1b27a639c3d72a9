"""The report: tables as Markdown, everything as JSON, charts."""
import json
from pathlib import Path

import chart
import figures
import speeds
import targets
from peers import PEERS
from speeds import SPEEDS
from workloads import APART

READING = """CPU is the proxy's alone, all its threads, for each request: one worker on a core of its own, the app (nginx) and the
load on another. Figures are medians of the rounds, in brackets the least and the most; ratios are medians of the rounds'
own ratios, since what disturbs the machine in a round disturbs all of them. Ratios may be quoted, absolute figures are this machine's.
Where the proxy's core is not busy, requests a second are limited by the app and the load, not by the proxy. Latency is measured
for some of the peers only, at 70 % of what the slower of bare Pingora and Deskgate can do; where "fell behind" stands, requests were
lost or could not be asked in time."""


def number(value, places=None):
    """Three digits that count, with a comma between thousands."""
    if value is None:
        return ""
    if places is None:
        places = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{places}f}"


def with_spread(values):
    if not figures.present(values):
        return ""
    least, most = figures.spread(values)
    return f"{number(figures.median(values))} ({number(least)} to {number(most)})"


def times(ours, theirs):
    return figures.told(figures.ratios(ours, theirs))


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def told(result, name):
    """What a peer did in a workload: not all of them mask."""
    words = PEERS[name].told
    if name == "deskgate" and not result["masked"]:
        return "**Deskgate**"
    if name == "deskgate":
        found = "" if result.get("by_name", True) else "; nothing is found so, and nothing masked"
        return f"**Deskgate**, masks by name (`find: named_places`){found}"
    if name == "everywhere":
        return "**Deskgate**, searches every text (`find: everywhere`, the default)"
    return f"{words}; nothing masked" if result["masked"] and not PEERS[name].masks else words


def problem(row):
    return row["problem"] if row["problem"].startswith("left out") else f"does not do the job: {row['problem']}"


def failures(found):
    """What of Deskgate or bare Pingora could not be measured."""
    rows = [(result["name"], name, row) for result in found["workloads"] for name, row in result["peers"].items()]
    wrong = [f"{workload}, {name}: {row['problem']}" for workload, name, row in rows if name in ("bare", "deskgate", "everywhere") and row["problem"]]
    return wrong + [f"{name}: {taken['problem']}" for name, taken in found["apart"].items() if taken.get("problem")]


def workload_table(result):
    """One workload, each peer a row."""
    base = result["base"]
    compared = result["peers"].get(base, {"cpu": [], "p99": []})
    heads = ["", "us of CPU a request", f"times {PEERS[base].told}", "requests/s", "core busy"]
    timed = "fixed_rate" in result
    if timed:
        heads += [f"p50 at {result['fixed_rate']:,.0f}/s, ms", "p99, ms", "times"]
    rows = []
    for name, row in result["peers"].items():
        if row["problem"]:
            rows.append([told(result, name), problem(row).replace("|", "/"), *[""] * (len(heads) - 2)])
            continue
        cells = [told(result, name), with_spread(row["cpu"]), times(row["cpu"], compared["cpu"]),
                 number(figures.median(row["rate"]), 0), f"{figures.median(row['busy']) or 0:.0%}"]
        if timed:
            slow = "too slow for this rate" if row.get("too_slow") else "fell behind" if row.get("fell_behind") else ""
            cells += [number(figures.median(row["p50"])), " ".join(filter(None, [with_spread(row["p99"]), slow])), times(row["p99"], compared["p99"])]
        rows.append(cells)
    return f"### {result['name']}: {result['told']}\n\n{table(heads, rows)}\n"


def apart_table(name, taken):
    tables = {"idle": idle_table, "memory": memory_table, "reload": reload_table, "speeds": speeds_table}
    return f"### {name}: {APART[name]}\n\n{'Not measured: ' + taken['problem'] if taken.get('problem') else tables[name](taken)}\n"


def idle_table(taken):
    bare = taken["peers"].get("bare", {}).get("added")
    rows = [[PEERS[name].told if name != "deskgate" else "**Deskgate**",
             *([f"{row['problem']}", "", "", "", ""] if row.get("problem") else
               [number(row["before"]["pss"], 0), number(row["after"]["pss"], 0), number(row["after"]["rss"], 0),
                number(row["added"] * 1024 / taken["connections"], 0), f"{row['added'] / bare:.2f}" if bare else ""])]
            for name, row in taken["peers"].items()]
    return table(["", "PSS before, KiB", "with them, KiB", "RSS with them, KiB", "bytes a connection", "times bare Pingora"], rows)


def memory_table(taken):
    return table(["", "KiB above idle", ""], [[row["what"], number(row["kib"], 0), row["note"]] for row in taken["rows"]])


def reload_table(taken):
    rows = [["p99 without reload, ms", with_spread(taken["still"])], ["p99 with a reload every second, ms", with_spread(taken["reloading"])],
            ["ratio, median of pairs", times(taken["reloading"], taken["still"])],
            ["requests, of them lost", f"{taken['requests']:,}, {taken['lost']}"], ["reloads taken", taken["reloads"]],
            ["rate", f"{taken['rate']:,.0f}/s: 70 % of what it can do"]]
    return table(["", ""], rows)


def speeds_table(taken):
    rows = [[speed.told, with_spread(taken["speeds"].get(name, [])), figures.told(speeds.ratios(taken, name)), speed.peer_told]
            for name, speed in SPEEDS.items() if name in taken["speeds"]]
    return table(["", "GB/s", "times", "whose speed"], rows)


# Fewer rounds tell nothing for sure.
ENOUGH_ROUNDS = 3
# Per cent of all cores' time, by others.
BUSY = 10


def targets_table(verdicts):
    rows = []
    for verdict in verdicts:
        measured = verdict.note if verdict.note or verdict.value is None else f"{verdict.value:.2f}x"
        few = verdict.rounds is not None and verdict.rounds < ENOUGH_ROUNDS and verdict.holds is not None
        holds = "too few rounds to tell" if few else {True: "holds", False: "**does not hold**", None: "not measured here"}[verdict.holds]
        rows.append([verdict.what, verdict.target, measured, holds])
    return table(["what", "target", "measured", ""], rows)


def busy(facts):
    return float(facts["machine"].get("busy when it began", "0%").rstrip("%")) > BUSY


def facts_lines(facts):
    machine = ", ".join(f"{key}: {value}" for key, value in facts["machine"].items())
    lines = [f"{facts['date']}; {facts['rounds']} rounds of {facts['seconds']} s. {machine}.", ""]
    lines += ["**This run was not finished: what is missing was not measured.**", ""] if facts.get("unfinished") else []
    lines += ["**Something else kept the machine busy when it began: nothing of this may be quoted.**", ""] if busy(facts) else []
    lines += [f"    {facts['command']}", ""] if "command" in facts else []
    lines += [f"* {name}: {version}" for name, version in facts["versions"].items()]
    lines += [f"* left out: {name}: {why}" for name, why in facts["missing"].items()]
    return "\n".join(lines)


def markdown(found, growth):
    parts = ["# Deskgate and its peers", facts_lines(found["facts"]), READING, "## Targets",
             targets_table(targets.verdicts(found, growth)), "![CPU per request, times bare Pingora](peers.svg)", "## Workloads"]
    parts += [workload_table(result) for result in found["workloads"]]
    parts += [apart_table(name, taken) for name, taken in found["apart"].items()]
    return "\n\n".join(parts) + "\n"


def write(found, out):
    """report.md, report.json and peers.svg. Targets of growth are judged by what a run with --growth left beside them."""
    grown = out / "growth.json"
    growth = json.loads(grown.read_text()) if grown.exists() else None
    (out / "report.json").write_text(json.dumps(found, indent=1))
    (out / "report.md").write_text(markdown(found, growth))
    (out / "peers.svg").write_text(chart.bars(found["workloads"]))


# --- growth ---------------------------------------------------------------------------------------

def curve_table(curve):
    if curve.get("problem"):
        return f"### {curve['name']}\n\nNot measured: {curve['problem']}\n"
    first = curve["points"][0]["values"]
    rows = [[point["label"], with_spread(point["values"]), times(point["values"], first), point.get("note", "")] for point in curve["points"]]
    return f"### {curve['name']}: {curve['told']}\n\n{table(['', curve['unit'], 'times the first', ''], rows)}\n"


def growth_markdown(grown):
    judged = [verdict for verdict in targets.grown(grown)]
    parts = ["# How Deskgate's cost grows", facts_lines(grown["facts"]), "## Targets", targets_table(judged), "![growth](growth.svg)"]
    return "\n\n".join(parts + [curve_table(curve) for curve in grown["curves"]]) + "\n"


def write_growth(grown, out):
    """growth.md, growth.json and growth.svg."""
    (out / "growth.json").write_text(json.dumps(grown, indent=1))
    (out / "growth.md").write_text(growth_markdown(grown))
    (out / "growth.svg").write_text(chart.lines(grown["curves"]))


def again(out):
    """Writes the Markdown and the charts anew from the JSON of a run, after a change to this file."""
    out = Path(out)
    if (out / "report.json").exists():
        write(json.loads((out / "report.json").read_text()), out)
    if (out / "growth.json").exists():
        write_growth(json.loads((out / "growth.json").read_text()), out)
