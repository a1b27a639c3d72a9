"""The report: tables as Markdown, everything as JSON, a chart."""
import figures
from peers import PEERS


def workload_table(result):
    rows = [f"\n### {result['name']}: {result['told']}\n", "| | us |", "|---|---|"]
    for name, row in result["peers"].items():
        rows.append(f"| {PEERS[name].told} | {row['problem'] or figures.median(row['cpu'])} | {figures.ratio(row['cpu'], result['peers'].get('bare', row)['cpu'])}")
    return "\n".join(rows)


def write(found, out):
    pass
