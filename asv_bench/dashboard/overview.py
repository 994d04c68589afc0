"""Write the overview: one page of what every track_* benchmark says of the newest commit."""

import math
import re
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from .charts import TIMES, Style, case_rows, chart, plot_width, summary_rows
from .groups import Group, geometric, groups, owner_labels
from .results import Host, Track, is_figure
from .scales import scale

STYLE = Path(__file__).with_name("overview.css")
# track_NAME as a reader knows it.
TITLES = {
    "memory": "Memory speed",
    "torch": "PyTorch",
    "ort": "ONNX Runtime",
    "onnx": "ONNX Runtime",
    "onednn": "oneDNN",
}
# A benchmark and its groups.
Pair = tuple[Track, list[Group]]
RATIO = re.compile(rf"x|{TIMES}|ratio|fraction|.*\btime / time")


def overview(project: str, hosts: list[Host]) -> str:
    """Return the page, which needs no other file."""
    body = "".join(host_section(host, f"m{i}-") for i, host in enumerate(hosts))
    body = body or "<p>No <code>track_*</code> benchmark has a result yet.</p>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(project)}: benchmark overview</title>
<link rel="icon" href="data:,">
<style>
{STYLE.read_text(encoding="utf-8")}</style>
</head>
<body>
<nav><strong>{escape(project)}</strong> <span aria-current="page">Overview</span>
<a href="index.html">Benchmark grid</a> <a href="index.html#/summarylist">Benchmark list</a>
<a href="index.html#/regressions">Regressions</a></nav>
<main>
{body}
</main>
</body>
</html>
"""


def host_section(host: Host, prefix: str) -> str:
    """Return the section of one machine: what it is, the headline figures, the measures.

    `prefix` keeps its anchors apart from other machines'.
    """
    measures: dict[tuple[str, str], list[Pair]] = {}
    for track in host.tracks.values():
        measures.setdefault((track.measure, track.unit), []).append((track, groups(track)))
    tiles, sections = [], []
    for i, pairs in enumerate(measures.values()):
        anchor = f"{prefix}{i}"
        tiles.append(tile(pairs, anchor))
        sections.append(f'<section id="{anchor}">{measure_section(pairs, host)}</section>')
    return (
        f"<header>{facts(host)}</header>\n"
        f'<div class="tiles">{"".join(tiles)}</div>\n{"".join(sections)}'
    )


def facts(host: Host) -> str:
    """Return who measured what, when and how."""
    machine, commit = host.machine, host.newest
    existing = host.environment.startswith("existing")
    what = [
        machine.get("cpu", ""),
        f"{machine['num_cpu']} cores" if machine.get("num_cpu") else "",
        machine.get("os", ""),
        "" if existing else host.environment,
    ]
    command = f"asv run --bench track_ {commit.hash[:8]}^!"
    if existing:  # asv then measures what is checked out
        how = "-E existing:python --set-commit-hash $(git rev-parse HEAD)"
        command = f"git checkout {commit.hash[:8]} && asv run --bench track_ {how}"
    return (
        f"<h1>Benchmarks on {escape(machine['machine'])}</h1>"
        f'<p class="facts">{escape(" · ".join(filter(None, what)))}</p>'
        f'<p class="facts">Commit <code>{commit.hash[:8]}</code> of {day(commit.date)}, '
        f"measured {day(host.measured[commit])}: <code>{escape(command)}</code></p>"
    )


def day(milliseconds: int) -> str:
    """Return the date of a time in milliseconds since 1970."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d")


def style_of(track: Track) -> Style:
    """Return how a benchmark's figures are to be read."""
    line = "limit" if track.measure == "memory" else "equal"
    return Style(track.unit, RATIO.fullmatch(track.unit) is not None, line)


def title_of(track: Track) -> str:
    """Return what a benchmark measures as a reader knows it."""
    return TITLES.get(track.measure, track.measure.replace("_", " ").capitalize())


def meaning(style: Style) -> str:
    """Return how to read a measure, in a sentence or two."""
    if not style.ratio:
        return "Bars are geometric means, dots single cases."
    if style.line == "limit":
        reading = "The time that memory alone takes, divided by ours: 1.0 is the limit."
    else:
        reading = "Their time divided by ours: right of 1.0 we are faster."
    return f"{reading} Bars are geometric means, dots single cases."


def figures(pairs: list[Pair]) -> list[float]:
    """Return every figure of a measure."""
    return [v for _, gs in pairs for g in gs for v in g.cases.values() if is_figure(v)]


def counted(count: int) -> str:
    """Return a number of cases in words."""
    return f"{count} case{'' if count == 1 else 's'}"


def tile(pairs: list[Pair], anchor: str) -> str:
    """Return a measure's headline: its geometric mean and range over all cases."""
    style, values = style_of(pairs[0][0]), figures(pairs)
    mean = geometric(values)
    shown = style.text(mean) if math.isfinite(mean) else style.text(sum(values) / len(values))
    return (
        f'<a class="tile" href="#{anchor}"><span>{escape(title_of(pairs[0][0]))}</span>'
        f"<b>{shown}</b><small>{style.text(min(values))} to {style.text(max(values))} "
        f"in {counted(len(values))}</small></a>"
    )


def measure_section(pairs: list[Pair], host: Host) -> str:
    """Return the charts of one measure: the means of all norms, then each norm's cases."""
    style, values, heading = style_of(pairs[0][0]), figures(pairs), title_of(pairs[0][0])
    names, rows, details = owner_labels(t.owner for t, _ in pairs), [], []
    for track, found in pairs:
        late = "" if track.newest == host.newest else f"at {track.newest.hash[:8]}"
        rows += summary_rows(names[track.owner], late, found)
        bars = case_rows(found, style)
        axis = scale(values, style.ratio, plot_width(bars))
        title = f"{heading}: {names[track.owner]}, every case"
        count = counted(sum(len(g.cases) for g in found))
        details.append(
            f"<details><summary>{escape(names[track.owner])}, {count}</summary>"
            f'<div class="chart">{chart(bars, axis, style, title)}</div></details>'
        )
    axis = scale(values, style.ratio, plot_width(rows))
    return (
        f"<h2>{escape(heading)}</h2><p>{meaning(style)}</p>"
        f'<div class="chart">{chart(rows, axis, style, heading)}</div>'
        f"{''.join(details)}"
    )
