"""Draw horizontal bars, and histories beside them, as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from .groups import Group
from .results import Commit, is_figure
from .scales import Scale, short, tick_text

WIDTH, ROW, TOP = 900, 22, 44
VALUE, HISTORY = 70, 164  # columns right of the plot
SPARK = 84
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass
class Row:
    """A line of a chart: a heading where it has no value."""

    label: str
    value: float | None = None
    head: bool = False
    note: str = ""
    cases: dict[str, float | None] = field(default_factory=dict)  # marked on the bar
    history: list[tuple[Commit, float]] = field(default_factory=list)


@dataclass
class Style:
    """What a chart's figures mean."""

    axis: str  # what the axis measures
    ratio: bool  # 1.0 has a meaning
    line: str  # the meaning, written at the line

    def text(self, value: float | None) -> str:
        """Write a figure, or why there is none."""
        if value is None:
            return "failed"
        return short(value) + (TIMES if self.ratio and is_figure(value) else "")

    def colour(self, value: float) -> str:
        """Return the class of a bar: whether it is on the far side of a peer."""
        return "under" if self.ratio and self.line == "equal" and value < 1 else "bar"


def label_width(rows: Sequence[Row]) -> int:
    """Return the room for the longest label, in pixels."""
    return min(320, max(110, *(round(26 + 7.6 * len(row.label)) for row in rows)))


def chart(rows: Sequence[Row], axis: Scale, style: Style, title: str) -> str:
    """Return the SVG of some rows on one axis, which lies right of their labels."""
    left, height = label_width(rows), TOP + ROW * len(rows) + 6
    body = [grid(axis, style, left, height)]
    commits = max(len(row.history) for row in rows)
    if commits > 1:
        x = left + axis.width + VALUE + 18
        body.append(
            f'<text class="axis" x="{x:.0f}" y="{TOP - 12}">{commits} commits, last change</text>'
        )
    for i, row in enumerate(rows):
        body.append(
            f'<g transform="translate(0 {TOP + ROW * i})">{line(row, axis, style, left)}</g>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(title)}">{"".join(body)}</svg>'
    )


def grid(axis: Scale, style: Style, left: int, height: int) -> str:
    """Draw ticks, their lines, the axis's name, and the line at 1.0."""
    kind = ", logarithmic" if axis.log else ""
    marks = [f'<text class="axis" x="{left}" y="12">{escape(style.axis)}{kind}</text>']
    for tick in axis.ticks:
        x = left + axis.at(tick)
        at_one = style.ratio and tick == 1
        marks.append(
            f'<line class="{"one" if at_one else "grid"}" x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="{TOP - 6}" y2="{height - 4}"/>'
            f'<text class="tick{" strong" if at_one else ""}" x="{x:.1f}" y="{TOP - 12}">'
            f"{f'1.0 {style.line}' if at_one else tick_text(tick)}</text>"
        )
    return "".join(marks)


def line(row: Row, axis: Scale, style: Style, left: int) -> str:
    """Draw one row from its own top."""
    if row.head:
        note = f' <tspan class="note">{escape(row.note)}</tspan>' if row.note else ""
        return f'<text class="head" x="0" y="16">{escape(row.label)}{note}</text>'
    name = f'<text class="label" x="12" y="15">{escape(row.label)}</text>'
    end = left + axis.width + VALUE - 6
    text = f'<text class="value" x="{end:.0f}" y="15">{style.text(row.value)}</text>'
    dots = "".join(dot(n, v, axis, style, left) for n, v in row.cases.items() if is_figure(v))
    if not is_figure(row.value):
        return name + dots + text
    start, stop = sorted((axis.at(axis.origin), axis.at(row.value)))
    bar = (
        f'<rect class="{style.colour(row.value)}" x="{left + start:.1f}" y="4" '
        f'width="{max(stop - start, 1):.1f}" height="13" rx="2">'
        f"<title>{escape(row.label)}: {style.text(row.value)}</title></rect>"
    )
    return name + bar + dots + text + spark(row.history, style, end + 24)


def dot(name: str, value: float, axis: Scale, style: Style, left: int) -> str:
    """Mark one case on its group's bar."""
    told = f"<title>{escape(name)}: {style.text(value)}</title>"
    return f'<circle cx="{left + axis.at(value):.1f}" cy="10.5" r="2.6">{told}</circle>'


def spark(history: Sequence[tuple[Commit, float]], style: Style, left: float) -> str:
    """Draw the means of several commits, evenly spaced, and the last one's change."""
    values = [value for _, value in history if is_figure(value)]
    if len(values) < 2:
        return ""
    middle = (min(values) + max(values)) / 2
    # A tenth either way fills the height at least, so that noise stays flat.
    half = max((max(values) - min(values)) / 2, middle / 10)
    step = SPARK / (len(values) - 1)
    points = [(left + i * step, 10.5 - 7 * (v - middle) / half) for i, v in enumerate(values)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    told = "\n".join(f"{c.hash[:8]}  {style.text(v)}" for c, v in history)
    change = values[-1] / values[-2] - 1
    kind = "" if not style.ratio or abs(change) < 0.05 else " rise" if change > 0 else " fall"
    x, y = points[-1]
    return (
        f'<g><title>{escape(told)}</title><polyline class="spark" points="{path}"/>'
        f'<circle class="last" cx="{x:.1f}" cy="{y:.1f}" r="2.4"/></g>'
        f'<text class="change{kind}" x="{left + SPARK + 50:.0f}" y="15">{change:+.0%}</text>'
    )


def plot_width(rows: Sequence[Row]) -> float:
    """Return what labels, values and histories leave for the plot."""
    history = HISTORY if any(len(row.history) > 1 for row in rows) else 0
    return WIDTH - label_width(rows) - VALUE - history


def summary_rows(name: str, note: str, groups: Sequence[Group]) -> list[Row]:
    """Return a benchmark's heading and a bar of the mean for each of its groups."""
    bars = [Row(g.name or "all", g.mean, cases=g.cases, history=g.history) for g in groups]
    return [Row(name, head=True, note=note), *bars]


def case_rows(groups: Sequence[Group], style: Style) -> list[Row]:
    """Return a heading for each group and a bar for each of its cases."""
    rows = []
    for group in groups:
        mean = f"geometric mean {style.text(group.mean)}" if math.isfinite(group.mean) else ""
        rows.append(Row(group.name or "all", head=True, note=mean))
        rows += [Row(label, value) for label, value in group.cases.items()]
    return rows
