"""Charts as SVG, written by hand: readable on white and on black, without scripts or fonts."""
import math
from html import escape

import figures
from peers import PEERS

STYLE = """<style>
  text { font: 13px system-ui, sans-serif; fill: #1c1c1c; } .small { font-size: 11px; fill: #555; } .title { font-weight: 600; }
  .ours { fill: #0b6bcb; } .ours2 { fill: #6aaef0; } .theirs { fill: #9a9a9a; } .rule { stroke: #c9c9c9; } .one { stroke: #555; stroke-dasharray: 4 3; }
  .line { fill: none; stroke: #0b6bcb; stroke-width: 2; } .dot { fill: #0b6bcb; } .ground { fill: #fff; }
  @media (prefers-color-scheme: dark) {
    text { fill: #eee; } .small { fill: #aaa; } .theirs { fill: #7d7d7d; } .rule { stroke: #444; } .one { stroke: #bbb; }
    .ours { fill: #4d9ff0; } .ours2 { fill: #2a6cb0; } .line { stroke: #4d9ff0; } .dot { fill: #4d9ff0; } .ground { fill: #16181c; }
  }
</style>"""
KINDS = {"deskgate": "ours", "everywhere": "ours2"}
LEFT, WIDTH, RIGHT, BAR = 300, 520, 80, 20


def svg(width, height, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">\n'
            f'{STYLE}\n<rect class="ground" width="{width}" height="{height}"/>\n' + "\n".join(body) + "\n</svg>\n")


def text(x, y, words, kind="", anchor="start"):
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def bars(workloads):
    """CPU per request of every peer, as multiples of the workload's base, on a logarithmic scale."""
    groups = [(result, bars_of(result)) for result in workloads]
    groups = [(result, rows) for result, rows in groups if rows]
    most = max((ratio for _, rows in groups for _, ratio in rows), default=2)
    least = min([0.5, *(ratio for _, rows in groups for _, ratio in rows)])
    place = scale(least * 0.9, most * 1.1, LEFT, LEFT + WIDTH)
    body = [text(16, 26, "CPU per request, times bare Pingora (logarithmic)", "title")]
    y = 50
    for result, rows in groups:
        body.append(text(16, y + 12, title(result), "title"))
        y += 22
        body.append(f'<line class="one" x1="{place(1):.1f}" x2="{place(1):.1f}" y1="{y - 2}" y2="{y + BAR * len(rows)}"/>')
        for name, ratio in rows:
            body += bar(label(result, name), KINDS.get(name, "theirs"), ratio, place, y)
            y += BAR
        y += 16
    return svg(LEFT + WIDTH + RIGHT, y + 8, body)


def title(result):
    against = "" if result["base"] == "bare" else f" (times {PEERS[result['base']].told})"
    return f"{result['name']}: {result['told']}{against}"


def bars_of(result):
    base = result["peers"].get(result["base"])
    if not base:
        return []
    found = ((name, figures.ratio(row["cpu"], base["cpu"])) for name, row in result["peers"].items() if not row["problem"])
    return [(name, ratio) for name, ratio in found if ratio]


def label(result, name):
    if name == "deskgate" and not result["masked"]:
        return "Deskgate"
    return f"{PEERS[name].told} (masks nothing)" if result["masked"] and not PEERS[name].masks else PEERS[name].told


def bar(words, kind, ratio, place, y):
    start, end = sorted((place(1), place(ratio)))
    return [text(LEFT - 8, y + 14, words, "", "end"),
            f'<rect class="{kind}" x="{start:.1f}" y="{y + 3}" width="{max(end - start, 2):.1f}" height="{BAR - 6}" rx="2"/>',
            text(max(end, start + 2) + 6, y + 14, f"{ratio:.2f}", "small")]


def scale(least, most, start, end):
    """A logarithmic scale from values to places."""
    low, high = math.log(least), math.log(most)
    span = (high - low) or 1
    return lambda value: start + (math.log(value) - low) / span * (end - start)


PANEL, TALL, GAP = 360, 200, 70


def lines(curves):
    """One panel for each curve, what grows on a logarithmic scale. The cost goes from zero up, unless it spans too much."""
    body, columns = [], 2
    for number, curve in enumerate(curves):
        x = 60 + number % columns * (PANEL + GAP)
        y = 50 + number // columns * (TALL + GAP + 20)
        body += panel(curve, x, y)
    rows = math.ceil(len(curves) / columns)
    return svg(60 + columns * (PANEL + GAP), 40 + rows * (TALL + GAP + 20), body)


def panel(curve, x, y):
    points = [(p["x"], figures.median(p["values"]), p["label"]) for p in curve["points"] if figures.present(p["values"])]
    body = [text(x, y - 14, f"{curve['told']}: {curve['unit']}", "title"),
            f'<line class="rule" x1="{x}" x2="{x + PANEL}" y1="{y + TALL}" y2="{y + TALL}"/>']
    if not points:
        return [*body, text(x, y + 20, "nothing measured")]
    most = max(value for _, value, _ in points) * 1.15
    across = scale(points[0][0], max(points[-1][0], points[0][0] * 1.01), x + 10, x + PANEL - 20)
    up = upwards(min(value for _, value, _ in points), most, y)
    body.append(f'<polyline class="line" points="{" ".join(f"{across(a):.1f},{up(b):.1f}" for a, b, _ in points)}"/>')
    for a, b, label in points:
        body += [f'<circle class="dot" cx="{across(a):.1f}" cy="{up(b):.1f}" r="3.5"/>',
                 text(across(a), up(b) - 8, f"{b:,.0f}" if b >= 100 else f"{b:.3g}", "small", "middle"), text(across(a), y + TALL + 16, label, "small", "middle")]
    return body


def upwards(least, most, y):
    """Places of costs in a panel: a curve from 1,000 to 6 would be a line on the ground otherwise."""
    if most / least > 20:
        return scale(least / 2, most, y + TALL, y)
    return lambda value: y + TALL - value / most * TALL
