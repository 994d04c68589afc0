"""The figure of `numbanorm stats --plot`: a histogram for each channel."""

from __future__ import annotations

from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from numbanorm.stats.tallies import Tallies

# Of channels that have colours of their own; others get matplotlib's.
_COLOURS = {"red": "tab:red", "green": "tab:green", "blue": "tab:blue", "grey": "tab:gray"}


def draw(tallies: Tallies, path: str) -> None:
    """Write the figure to a file, with a row for each kind and a histogram for each channel."""
    most = max(len(kind.channels) for kind in tallies)
    figure = Figure(figsize=(4 * most, 3 * len(tallies)), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(len(tallies), most, squeeze=False)
    for row, (kind, tally) in zip(axes, tallies.items()):
        row[0].set_ylabel(f"{kind.name}\npixels")
        for axis in row[len(kind.channels) :]:
            axis.set_axis_off()
        mean, std = tally.moments.mean, tally.moments.std()
        for c, (axis, channel) in enumerate(zip(row, kind.channels)):
            if tally.histogram is None:
                continue
            edges, counts = tally.histogram.bars(c)
            if len(counts):
                axis.stairs(counts, edges, fill=True, color=_COLOURS.get(channel))
            axis.set_title(f"{channel}: mean {mean[c]:.6g}, std {std[c]:.6g}")
    figure.savefig(path, dpi=100)
