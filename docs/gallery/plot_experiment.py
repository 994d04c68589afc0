"""
Networks with norm and without
==============================

``numbanorm experiment`` trains small networks on handwritten digits and keeps all of it as JSON,
from which any figure can be drawn later. These two are drawn from ``docs/data/experiment.json``.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

path = Path(sys.argv[0]).resolve().parents[1] / "data" / "experiment.json"
results = json.loads(path.read_text("utf-8"))
about = results["about"]
digits = f"{about['learnt']:,} digits to learn, {about['held_out']:,} held out"
print(f"{about['seeds']} seeds; {digits}")

# Colours that the colour-blind can tell apart (Okabe and Ito, 2008).
NORMS = {"none": "#000000", "batch": "#0072b2", "layer": "#d55e00", "rms": "#e69f00"}


def percents(part, norm, by):
    """Return the perceptron's accuracies, a row for each seed, by learning rate and the like."""
    found = defaultdict(list)
    for run in results["runs"]:
        if (run["part"], run["network"], run["norm"]) == (part, "mlp", norm):
            found[run[by]].append(100 * np.array(run["accuracy"]))
    return dict(sorted(found.items()))


# %%
# How the perceptron learns, each norm with the learning rate that suits it best: digits that it
# was not trained on and gets wrong. A line is the mean of all seeds, the band its standard error.

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for norm, colour in NORMS.items():
    times = next(
        run["times"]
        for run in results["runs"]
        if (run["part"], run["network"], run["norm"]) == ("accuracy", "mlp", norm)
    )
    (rows,) = percents("accuracy", norm, "part").values()
    wrong = 100 - np.array(rows)
    mean, error = wrong.mean(axis=0), wrong.std(axis=0, ddof=1) / np.sqrt(len(wrong))
    axis.plot(times, mean, color=colour, label=norm)
    axis.fill_between(times, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
axis.set(xlabel="epochs", ylabel="held-out digits wrong, %", yscale="log")
axis.minorticks_off()
axis.set_yticks([3, 5, 10, 20, 50], [3, 5, 10, 20, 50])
axis.legend(title="norm")

# %%
# Which learning rates train it at all.

figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
for norm, colour in NORMS.items():
    found = percents("rates", norm, "rate")
    means = [np.mean([run[-1] for run in runs]) for runs in found.values()]
    axis.plot(list(found), means, "o-", color=colour, label=norm)
axis.set(xlabel="learning rate", ylabel="held-out digits right, %", xscale="log", ylim=(0, 100))
axis.legend(title="norm")
