"""The figure of `numbanorm demo --plot`: histograms and samples of the digits at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from numbanorm._demo import Steps

SAMPLES = 5


def draw(steps: Steps, path: str) -> None:
    """Write the figure to a PNG file."""
    figure = Figure(figsize=(10, 3 * len(steps)), layout="constrained")
    FigureCanvasAgg(figure)
    rows: Any = figure.subfigures(len(steps), 1)
    for row, (name, pair) in zip(rows, steps.items()):
        row.suptitle(name)
        axes = row.subplots(2, SAMPLES + 1, width_ratios=[3.0, *[1.0] * SAMPLES])
        low, high = min(y.min() for y in pair), max(y.max() for y in pair)
        for line, y, label in zip(axes, pair, ("dark", "bright")):
            line[0].hist(y.ravel(), bins=np.linspace(low, high, 60), log=True)
            line[0].set_ylabel(f"{label}\npixels")
            for axis, image in zip(line[1:], y):
                axis.imshow(image[0], cmap="gray", vmin=low, vmax=high)
                axis.set_axis_off()
    figure.savefig(path, dpi=100)
