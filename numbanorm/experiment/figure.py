"""The figure of `numbanorm experiment --plot`: all that was measured, in nine panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from numbanorm.experiment import measures
from numbanorm.experiment.intervals import standard_error
from numbanorm.experiment.networks import DEPTH, NETWORKS, NORMS, norms_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numbanorm.experiment.results import Results

# Colours that the colour-blind can tell apart, and markers besides (Okabe and Ito, 2008).
_LOOKS = {
    "none": ("#000000", "s"),
    "batch_plain": ("#56b4e9", "v"),
    "batch": ("#0072b2", "o"),
    "layer": ("#d55e00", "D"),
    "rms": ("#e69f00", "^"),
    "group": ("#009e73", "P"),
    "instance": ("#cc79a7", "X"),
}


def draw(results: Results, path: str) -> None:
    """Write the figure to a file."""
    figure = Figure(figsize=(16, 13), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Any = figure.subplots(3, 3)
    about = results.about
    _accuracies(axes[0, 0], results)
    for axis, network in zip(axes[0, 1:], NETWORKS):
        _curves(axis, results, network)
    for axis, network in zip(axes[1, :2], NETWORKS):
        _sweep(axis, results, "rates", network)
    _sweep(axes[1, 2], results, "scales", "mlp")
    _inputs(axes[2, 0], results)
    _drift(axes[2, 1], results)
    _gradients(axes[2, 2], results)
    for axis in axes.flat:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    handles = [
        axes[0, 0].plot([], [], color=colour, marker=marker, label=NORMS[norm])[0]
        for norm, (colour, marker) in _LOOKS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), title="norm")
    figure.suptitle(
        f"Networks that learn {about['learnt']:,} handwritten digits and are judged by "
        f"{about['held_out']:,} others; mean and standard error of {about['seeds']} seeds"
    )
    figure.savefig(path, dpi=100)


def _style(norm: str, **more: Any) -> dict[str, Any]:
    colour, marker = _LOOKS[norm]
    return {"color": colour, "marker": marker, "markersize": 5, "linewidth": 1.5} | more


def _band(axis: Any, x: Sequence[float], rows: Sequence[Sequence[float]], **style: Any) -> None:
    """Draw the mean of rows, one for each seed, and its standard error as a band."""
    values = np.array(rows, float)
    mean = values.mean(axis=0)
    error = np.array([standard_error(column) for column in values.T.tolist()])
    axis.plot(x, mean, **style)
    axis.fill_between(x, mean - error, mean + error, color=style["color"], alpha=0.15, lw=0)


def _accuracies(axis: Any, results: Results) -> None:
    norms = list(NORMS)
    for network, offset in zip(NETWORKS, (0.15, -0.15)):
        for norm in norms_of(network):
            found = [100 * value for value in measures.accuracies(results, network, norm)]
            y = len(norms) - norms.index(norm) + offset
            style = _style(norm, linestyle="none", capsize=4)
            if network == "cnn":
                style["markerfacecolor"] = "white"
            axis.errorbar(sum(found) / len(found), y, xerr=standard_error(found), **style)
    axis.set_yticks([len(norms) - i for i in range(len(norms))], [NORMS[norm] for norm in norms])
    axis.set_title("accuracy (filled: perceptron, open: convolutional)")
    axis.set_xlabel("held-out digits right, %, at each norm's best rate")


def _curves(axis: Any, results: Results, network: str) -> None:
    for norm in norms_of(network):
        runs = results.of("accuracy", network, norm)
        epochs = max((run.course.times for run in runs), key=len)
        whole = [run.course.accuracy for run in runs if len(run.course.times) == len(epochs)]
        wrong = [[100 * (1 - value) for value in row] for row in whole]
        _band(axis, epochs, wrong, **_style(norm, markersize=3))
    axis.set_xscale("log")
    axis.set_yscale("log")
    _ticks(axis.yaxis, (1, 2, 3, 5, 10, 20, 50))
    _ticks(axis.xaxis, (0.25, 0.5, 1, 2, 5, 10, 20, 50))
    axis.set_title(f"training, {NETWORKS[network]}")
    axis.set_xlabel("epochs")
    axis.set_ylabel("held-out digits wrong, %")


def _ticks(axis: Any, values: Sequence[float]) -> None:
    """Mark those of values that an axis has, and nothing else."""
    low, high = axis.get_view_interval()
    found = [value for value in values if low <= value <= high]
    axis.set_ticks(found, [f"{value:g}" for value in found])
    axis.set_ticks([], minor=True)


def _sweep(axis: Any, results: Results, part: str, network: str) -> None:
    by = "rate" if part == "rates" else "scale"
    for norm in norms_of(network):
        runs = results.of(part, network, norm)
        values = sorted({getattr(run.job, by) for run in runs})
        columns = [[100 * r.final for r in runs if getattr(r.job, by) == v] for v in values]
        _band(axis, values, list(zip(*columns)), **_style(norm))
    axis.set_xscale("log")
    axis.set_ylim(0, 100)
    epochs = results.about["sweep_epochs"][network]
    what = {"rates": "learning rate", "scales": "scale of the initial weights, times He's"}[part]
    axis.set_title(f"{what.split(',')[0]}, {NETWORKS[network]}")
    axis.set_xlabel(what)
    axis.set_ylabel(f"digits right after {epochs} epoch{'s' if epochs > 1 else ''}, %")


def _inputs(axis: Any, results: Results) -> None:
    """Draw mean and deviation of what the last layer is given, of the first seed."""
    for norm in "none", "batch":
        looks = results.of("drift", "mlp", norm)[0].looks
        steps = [look.step for look in looks]
        mean = np.array([look.mean[-1] for look in looks])
        deviation = np.array([look.deviation[-1] for look in looks])
        axis.plot(steps, mean, **_style(norm, marker=""))
        low, high = mean - deviation, mean + deviation
        axis.fill_between(steps, low, high, color=_LOOKS[norm][0], alpha=0.15, lw=0)
    axis.set_title("the last layer's input, one seed")
    axis.set_xlabel("step")
    axis.set_ylabel("mean, and deviation on both sides")


def _drift(axis: Any, results: Results) -> None:
    for norm in norms_of("mlp"):
        runs = results.of("drift", "mlp", norm)
        for of, line in ("drift", "-"), ("moved", ":"):
            most = max((run.looks for run in runs), key=len)
            rows = [
                [float(np.mean(getattr(look, of))) for look in run.looks]
                for run in runs
                if len(run.looks) == len(most)
            ]
            style = _style(norm, marker="", linestyle=line)
            _band(axis, [look.step for look in most], rows, **style)
    axis.set_ylim(bottom=0)
    axis.set_title("drift: units' means (solid), each digit's values (dotted)")
    axis.set_xlabel("step")
    axis.set_ylabel("change of layers' inputs, deviations")


def _gradients(axis: Any, results: Results) -> None:
    layers = range(1, DEPTH + 2)
    last = results.of("drift", "mlp", "none")[0].looks[-1].step
    for norm in norms_of("mlp"):
        for step, line in (0, "-"), (last, ":"):
            found = measures.gradients(results, norm, step)
            if found:
                axis.plot(layers, found, **_style(norm, linestyle=line))
    axis.set_yscale("log")
    _ticks(axis.yaxis, [digit * 10.0**power for power in range(-6, 5) for digit in (1, 2, 5)])
    axis.set_xticks(list(layers))
    axis.set_title("gradients: first step (solid), last (dotted)")
    axis.set_xlabel("layer of the perceptron")
    axis.set_ylabel("norm of the weights' gradient")
