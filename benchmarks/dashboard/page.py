"""The front page: one file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote

from ..recorded import Recorded, day, short_hash
from ..registry import LABELS
from ..summary import GROUPS, NAMES, Line, implementations, lines, metric, times

# bars end here, so that a tiny network's dozens leave something to see of the others
LONGEST = 10.0
STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5d6b79; --line: #dde3e9; --bar: #2f7d5b; --slow: #b4552d;
  --paper: #ffffff; --shade: #f0f4f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9aa7b4; --line: #2d3742; --bar: #4fb286;
  --slow: #e08a5e; --paper: #11161c; --shade: #1a2129; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 66rem;
  margin: 0 auto; padding: 1.5rem; }
h1 { margin-bottom: 0; }
h2 { margin: 2.2rem 0 0; }
p { color: var(--soft); margin: .2rem 0 .8rem; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .35rem .5rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; }
td.n, th.n { text-align: right; width: 4.2rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.bar { width: 24%; }
.track { position: relative; background: var(--shade); border-radius: 3px; height: 1.1rem; margin-top: .2rem; }
.fill { background: var(--bar); height: 100%; border-radius: 3px; }
.one { position: absolute; top: -3px; bottom: -3px; width: 1px; background: var(--ink); }
.slow .fill { background: var(--slow); }
small, summary { color: var(--soft); }
summary { font-size: .85rem; }
a { color: inherit; }
details table { margin: .5rem 0; font-size: .9rem; }
polyline { fill: none; stroke: var(--bar); stroke-width: 2; }
circle { fill: var(--bar); }
"""


def render(histories: Sequence[Sequence[Recorded]]) -> str:
    """Return the page: for every machine the newest results, and how they came about."""
    body = "".join(_machine(history) for history in histories if history)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="swallow.ico">
<title>fastff: speed against NumPy</title>
<style>{STYLE}</style>
</head>
<body>
<h1>How many times as fast as NumPy?</h1>
<p>fastff trains feed-forward networks on CPUs. Each bar is the time that plain NumPy takes for a piece of that work,
divided by the time that fastff takes: 1x, the upright line, is NumPy's speed; longer is faster, up to {LONGEST:.0f}x,
where bars end. Both were timed turn about on the same machine, and checked to give the same answer first. The number of
a line is the geometric mean of its cases; open it to see them, or follow it to the graph of all commits.
All graphs: <a href="graphs.html">asv's pages</a>.</p>
{body or "<p>No results are recorded yet.</p>"}
</body>
</html>
"""


def _machine(history: Sequence[Recorded]) -> str:
    newest = history[-1]
    machine = newest.machine
    about = ", ".join(str(machine[key]) for key in ("cpu", "os", "ram") if machine.get(key))
    groups = "".join(_group(family, history) for family in GROUPS)
    return (
        f'<section id="{escape(machine["machine"])}">'
        f"<p>Measured on {day(newest.measured)} on <b>{escape(machine['machine'])}</b> ({escape(about)}), "
        f"commit {short_hash(newest.commit)}. {escape(newest.versions)}</p>{groups}</section>"
    )


def _group(family: str, history: Sequence[Recorded]) -> str:
    found = lines(history[-1], family)
    if not found:
        return ""
    title, text = GROUPS[family]
    others = implementations(found)[1:]
    most = min(LONGEST, max(1.0, *(line.mean() or 1.0 for line in found)))
    heads = "".join(f'<th class="n">{NAMES[impl]}</th>' for impl in others)
    rows = "".join(_line(family, line, others, most, history) for line in found)
    return (
        f'<h2 id="{family}">{title}</h2><p>{escape(text)}</p><table><tr><th></th><th>fastff against NumPy</th>'
        f'<th class="n">fastff</th>{heads}<th>commits</th></tr>{rows}</table>'
    )


def _line(family: str, line: Line, others: Sequence[str], most: float, history: Sequence[Recorded]) -> str:
    mean = line.mean() or 0.0
    name = line.entry.name
    link = _graph(family, name)
    cells = "".join(f'<td class="n">{times(line.mean(impl))}</td>' for impl in others)
    return (
        f'<tr class="{"slow" if mean < 1 else "fast"}" data-speedup="{mean:.3f}"><td><b>{escape(line.entry.title)}</b> '
        f"<small>{escape(name)}</small><br><small>{escape(line.entry.text)}</small>{_cases(line, others)}</td>"
        f'<td class="bar"><div class="track"><div class="fill" style="width:{100 * min(1.0, mean / most):.1f}%"></div>'
        f'<div class="one" title="NumPy" style="left:{100 / most:.1f}%"></div></div></td>'
        f'<td class="n"><b>{times(mean)}</b></td>{cells}'
        f'<td><a href="{link}">{_course(family, name, history)}</a></td></tr>'
    )


def _cases(line: Line, others: Sequence[str]) -> str:
    """The numbers behind a line, where there are several."""
    if len(line.cells) < 2:
        return ""
    heads = "".join(f'<th class="n">{NAMES[impl]}</th>' for impl in ("fastff", *others))
    rows = "".join(
        f"<tr><td>{escape(' '.join(_named(line, params)))}</td>"
        + "".join(f'<td class="n">{times(cell.get(impl))}</td>' for impl in ("fastff", *others))
        + "</tr>"
        for params, cell in line.cells.items()
    )
    return (
        f"<details><summary>{len(line.cells)} cases</summary><table><tr><th></th>{heads}</tr>{rows}</table></details>"
    )


def _named(line: Line, params: Sequence[str]) -> list[str]:
    names = [*line.entry.params, "threads"][: len(params)]
    plain = {"shape", "dtype", "direction"}
    return [value if name in plain else f"{name}={value}" for name, value in zip(names, params)]


def _course(family: str, name: str, history: Sequence[Recorded]) -> str:
    """A small graph of the means at every recorded commit."""
    means = [line.mean() for recorded in history for line in lines(recorded, family) if line.entry.name == name]
    values = [mean for mean in means if mean is not None]
    width, height, top = 90, 26, max(values)
    points = [
        (4 + (width - 8) * (i / max(1, len(values) - 1)), height - 4 - (height - 8) * value / top)
        for i, value in enumerate(values)
    ]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{len(values)} commits">'
        f'<polyline points="{drawn}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="3"/></svg>'
    )


def _graph(family: str, name: str) -> str:
    """Where asv's pages show the course of an entry's speedup; parameters are written as in Python there."""
    chosen = {f"p-{LABELS[family]}": repr(name), "p-impl": repr("fastff")}
    query = "&".join(f"{quote(key)}={quote(value)}" for key, value in chosen.items())
    return escape(f"graphs.html#{metric(family, 'speedup_over_numpy')}?{query}")
