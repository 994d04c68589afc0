"""`numbanorm demo`: a batch timed, real digits made alike and restored, running statistics."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

import numbanorm as nbn
from numbanorm.calls import operations

Images = NDArray[np.float32]
Steps = dict[str, tuple[Images, Images]]


def run(plot: str | None) -> int:
    """Print all parts of the demo, and draw the digits to a file if asked; returns 0, or 1."""
    example()
    photos()
    steps = digits()
    running_statistics()
    if plot is not None:
        try:
            from numbanorm import _plot
        except ImportError as error:
            print(f"\n--plot needs matplotlib (pip install 'numbanorm[plot]'): {error}")
            return 1
        _plot.draw(steps, plot)
        print(f"\nHistograms and samples are in {plot}.")
    return 0


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}\n{'-' * len(text)}")


def median_seconds(call: Callable[[], Any], repeats: int = 9) -> float:
    """Return the median time of a call, after two that warm it up."""
    call(), call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def example() -> None:
    """Normalise a (20, 100, 35, 45) batch with and without weight and bias."""
    heading("BatchNorm2d(100) on a random (20, 100, 35, 45) float32 batch")
    rng = np.random.default_rng(0)
    # A scale and an offset for each channel, so that there is something to normalise away.
    scale, offset = rng.uniform(0.5, 9, 100), rng.uniform(-50, 50, 100)
    noise = rng.standard_normal((20, 100, 35, 45))
    x = (noise * scale[:, None, None] + offset[:, None, None]).astype(np.float32)
    plain, layer = nbn.BatchNorm2d(100, affine=False), nbn.BatchNorm2d(100)
    parameters = layer.parameters()
    parameters["weight"][:] = rng.uniform(0.5, 2, 100)
    parameters["bias"][:] = rng.uniform(-1, 1, 100)
    print(f"{'channel':<24}{'0':>10}{'1':>10}{'99':>10}{'all, from':>12}{'to':>10}")
    for name, y in ("x", x), ("normalised", plain(x)), ("with weight and bias", layer(x)):
        mean, var = nbn.channel_mean_var(y)
        for what, values in ("mean", mean), ("std", np.sqrt(var)):
            shown = (values[0], values[1], values[99])
            cells = "".join(f"{value + 0.0:>10.4f}" for value in shown)
            print(f"{name + ', ' + what:<24}{cells}{values.min():>12.4f}{values.max():>10.4f}")
    times(x, parameters["weight"], parameters["bias"])


def times(x: Images, gamma: Images, beta: Images) -> None:
    """Print the time of a call in both modes, and what share of a copy's speed it has."""
    out = np.empty_like(x)
    mean, var = np.zeros(100, np.float32), np.ones(100, np.float32)
    copy = min(
        median_seconds(lambda: np.copyto(out, x)),
        median_seconds(lambda: operations.copy(out.reshape(-1), x.reshape(-1))),
    )
    print(f"\n{'':<34}{'ms':>8}{'GB/s':>8}{'of a copy':>12}")
    moved = 2 * x.nbytes / 1e9
    print(f"{'copy of x':<34}{copy * 1e3:>8.3f}{moved / copy:>8.1f}{1:>12.2f}")
    for training in True, False:
        for weight, bias in (gamma, beta), (None, None):
            call = partial(nbn.batch_norm, x, mean, var, weight, bias, training, out=out)
            taken = median_seconds(call)
            name = "training" if training else "inference"
            name += f", {'without' if weight is None else 'with'} weight and bias"
            print(f"{name:<34}{taken * 1e3:>8.3f}{moved / taken:>8.1f}{copy / taken:>12.2f}")
    print(f"(one read and one write of {x.nbytes / 1e6:.1f} MB, {nbn.get_num_threads()} threads)")


def photos() -> None:
    """Normalise decoded images for a network, beside what is written in NumPy."""
    heading(
        "64 decoded images of 224 x 224: uint8 NHWC to float32 NCHW, by ImageNet's mean and std"
    )
    decoded = np.random.default_rng(0).integers(0, 256, (64, 224, 224, 3), np.uint8)
    out = np.empty((64, 3, 224, 224), np.float32)
    mean, std = (np.array(a, np.float32) for a in (nbn.IMAGENET_MEAN, nbn.IMAGENET_STD))

    def plain() -> Images:
        y = (decoded.astype(np.float32) / 255 - mean) / std
        return np.ascontiguousarray(y.transpose(0, 3, 1, 2))

    def ours() -> Images:
        return nbn.normalize_images(decoded, mean, std, to="NCHW", out=out)

    apart = np.abs(plain() - ours()).max()
    for name, call, repeats in ("NumPy", plain, 3), ("normalize_images", ours, 9):
        taken = median_seconds(call, repeats)
        print(f"{name:<34}{taken * 1e3:>8.2f} ms{64 / taken:>12,.0f} images/s")
    print(f"(float32 rounds five times in NumPy: it is off by up to {apart:.1e})")


def load_digits() -> Images:
    """Return 400 handwritten digits in [0, 1], shape (400, 1, 28, 28)."""
    source = resources.files("numbanorm").joinpath("data/digits.npz")
    with source.open("rb") as file, np.load(file) as stored:
        images: Images = stored["images"][:, None].astype(np.float32) / 255
    return images


def digits() -> Steps:
    """Normalise dark and bright digits alike, and restore each by its own mean and std."""
    heading("400 handwritten digits (MNIST), dark and bright")
    images = load_digits()
    dark, bright = images * 100, images * 105 + 150
    steps: Steps = {"original": (dark, bright)}
    steps["normalised"] = (
        nbn.batch_norm(dark, training=True),
        nbn.batch_norm(bright, training=True),
    )
    restored = []
    for original in dark, bright:
        mean, var = nbn.channel_mean_var(original)
        weight, bias = np.sqrt(var).astype(np.float32), mean.astype(np.float32)
        restored.append(nbn.batch_norm(original, weight=weight, bias=bias, training=True))
    steps["restored"] = (restored[0], restored[1])
    print(f"{'':<14}{'dark: mean':>12}{'std':>10}{'bright: mean':>16}{'std':>10}")
    for name, pair in steps.items():
        cells = [value for y in pair for value in (np.mean(y, dtype=float), np.std(y, dtype=float))]
        print(f"{name:<14}{cells[0]:>12.4f}{cells[1]:>10.4f}{cells[2]:>16.4f}{cells[3]:>10.4f}")
    apart = np.abs(steps["normalised"][0] - steps["normalised"][1]).max()
    back = max(np.abs(a - b).max() for a, b in zip(steps["restored"], steps["original"]))
    print(f"Normalised, dark and bright digits differ by {apart:.1e} at most: brightness is lost.")
    print(
        f"With weight = std and bias = mean they differ from the originals by {back:.1e} at most."
    )
    return steps


def running_statistics() -> None:
    """Show what training does to the running statistics, and that inference uses them."""
    heading("Running statistics: momentum 0.1, and None (the cumulative average)")
    images = load_digits()
    dark, bright = images * 100, images * 105 + 150
    print(f"{'':<34}{'running_mean':>14}{'running_var':>14}")
    for momentum in 0.1, None:
        layer = nbn.BatchNorm2d(1, momentum=momentum)
        show = f"momentum={momentum}"
        print_running(f"{show}, new", layer)
        for name, batch in ("dark", dark), ("bright", bright):
            layer(batch)
            print_running(f"{show}, trained on {name}", layer)
        y = layer.eval()(dark)
        print_running(f"{show}, after inference", layer)
        print(f"  inference on dark: y has mean {y.mean():.4f}, std {y.std():.4f}")


def print_running(name: str, layer: nbn.BatchNorm2d) -> None:
    """Print a layer's running statistics."""
    state = layer.state_dict()
    print(f"{name:<34}{state['running_mean'][0]:>14.4f}{state['running_var'][0]:>14.4f}")
