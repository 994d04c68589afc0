"""
Which values share a statistic
==============================

An array has N samples, C channels and H × W positions. A norm cuts it into sets, and each set gets
a mean and a variance of its own (RMS norm: a mean square). The cubes show the sets: one of them is
blue, and the two shades of grey are the others. Below each cube is the same array as it lies in
memory, first with the channels before the positions (NCHW), then with the channels last (NHWC).

``python docs/gallery/plot_axes.py docs/pictures/axes.svg`` writes the figure to a file.
"""

import hashlib
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import Polygon, Rectangle

# %%
# A norm is a rule that says which set the value at sample n, channel c and position p belongs to.

SAMPLES, CHANNELS, POSITIONS = 3, 4, 3

SETS = {
    "batch norm": ("a channel of all samples", lambda n, c, p: (c,), (3,)),
    "instance norm": ("a channel of one sample", lambda n, c, p: (n, c), (0, 3)),
    "group norm": ("a group of channels of one sample", lambda n, c, p: (n, c // 2), (0, 1)),
    "layer norm": ("one sample, all of it", lambda n, c, p: (n,), (0,)),
    "RMS norm": ("the channels at one position", lambda n, c, p: (n, p), (0, 0)),
}

BLUE, GREYS = "#2a78b5", ("#d3d7db", "#f1f2f3")
LINE = {"edgecolor": "#555", "lw": 0.5, "clip_on": False}


def colour(name, n, c, p):
    """Return the colour of a value."""
    _, rule, chosen = SETS[name]
    found = rule(n, c, p)
    return BLUE if found == chosen else GREYS[sum(found) % 2]


# %%
# The cube is drawn by its three visible faces: the first sample, the first position, the last
# channel.


def corner(n, c, p):
    """Return where a corner of the cube is in the picture: samples go back, to the upper right."""
    return c + 0.5 * n, -p + 0.4 * n


def cube(axis, name):
    """Draw the array as a cube."""
    front = [(0, c, p, ((0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1))) for c in range(CHANNELS)
             for p in range(POSITIONS)]  # fmt: skip
    top = [(n, c, 0, ((0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0))) for n in range(SAMPLES)
           for c in range(CHANNELS)]  # fmt: skip
    side = [(n, CHANNELS - 1, p, ((0, 1, 0), (1, 1, 0), (1, 1, 1), (0, 1, 1)))
            for n in range(SAMPLES) for p in range(POSITIONS)]  # fmt: skip
    for n, c, p, corners in front + top + side:
        points = [corner(n + dn, c + dc, p + dp) for dn, dc, dp in corners]
        axis.add_patch(Polygon(points, facecolor=colour(name, n, c, p), **LINE))
    axis.text(CHANNELS / 2, -POSITIONS - 0.15, "C", ha="center", va="top")
    axis.text(-0.15, -POSITIONS / 2, "H, W", ha="right", va="center", rotation=90)
    axis.text(0.5 * SAMPLES / 2 - 0.2, 0.4 * SAMPLES / 2 + 0.1, "N", ha="right", va="bottom")


def memory(axis, name, layout, y):
    """Draw the array as it lies in memory, from left to right."""
    order = [
        (n, *((a, b) if layout == "NCHW" else (b, a)))
        for n in range(SAMPLES)
        for a in range(CHANNELS if layout == "NCHW" else POSITIONS)
        for b in range(POSITIONS if layout == "NCHW" else CHANNELS)
    ]
    width = (CHANNELS + 0.5 * SAMPLES) / len(order)
    for i, place in enumerate(order):
        cell = (i * width, y), width, 0.4
        axis.add_patch(Rectangle(*cell, facecolor=colour(name, *place), **LINE))
    axis.text(-0.15, y + 0.2, layout, ha="right", va="center", fontsize=8)


# %%
# Layer and RMS norm take the last axes of an array, those that `normalized_shape` names, and
# either can take any of the two sets that are drawn for them here: a whole sample, as layer norm
# does in networks for images, or the channels at one position, as both do in transformers, whose
# arrays are (N, positions, C).

plt.rcParams.update({"svg.hashsalt": "numbanorm", "svg.fonttype": "none"})
figure, axes = plt.subplots(2, 3, figsize=(9, 7))
figure.subplots_adjust(0, 0, 1, 1, 0, 0)
for axis, (name, (what, _, _)) in zip(axes.flat, SETS.items()):
    cube(axis, name)
    # The last axes of NCHW are positions: there, channels alone are no rows.
    for line, layout in enumerate(("NHWC",) if name == "RMS norm" else ("NCHW", "NHWC")):
        memory(axis, name, layout, -POSITIONS - 1.3 - 0.6 * line)
    axis.text(2.3, 2.1, name, ha="center", fontsize=12, fontweight="bold")
    axis.text(2.3, 1.6, what, ha="center")
for axis in axes.flat:
    axis.set(xlim=(-1.1, 5.7), ylim=(-5.3, 2.6), aspect="equal")
    axis.set_axis_off()

legend = axes[1, 2]
for y, face in zip((0.2, -0.8, -1.4), (BLUE, *GREYS)):
    legend.add_patch(Rectangle((0, y), 0.5, 0.5, facecolor=face, **LINE))
legend.text(0.7, 0.45, "one set: these values share\na mean and a variance", va="center")
legend.text(0.7, -0.85, "the other sets", va="center")
legend.text(0, -1.9, "N samples, C channels,\nH, W positions", va="top")
legend.text(0, -3.2, "RMS norm: a mean square only.", va="top")
legend.text(0, -3.8, "Layer and RMS norm take the last\naxes: either of these two sets.", va="top")

if len(sys.argv) > 1:
    # A test compares this with the script, so that the file is drawn again when the script changes.
    source = hashlib.sha256(Path(sys.argv[0]).read_bytes()).hexdigest()
    about = {"Date": None, "Creator": None, "Description": f"plot_axes.py {source}"}
    figure.savefig(sys.argv[1], metadata=about)
