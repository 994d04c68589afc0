"""Statistics alone: of channels, as arrays and as moments, and normalising by given ones.

Also a program that prints a table: python asv_bench/benchmarks/channel_statistics.py [--threads N]
"""

import argparse
import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    __package__ = "benchmarks"

import numpy as np

import numbanorm as nbn

from .common import inputs, side_by_side
from .suites import UNITS

SHAPE, ALL = "32x64x56x56", os.cpu_count()
NAMES = ["layout", "threads"]
LAYOUTS, DTYPES = ["NCHW", "NHWC"], ["float32", "uint8", "uint16"]
IMAGES = 64, 224, 224, 3


def calls(layout):
    """Return {name: (ours, NumPy's plain way)} on the same arrays."""
    data = inputs("batch", SHAPE, layout)
    x, y = data.x, data.y
    axes, wide = ((0, 2, 3), (1, -1, 1, 1)) if layout == "NCHW" else ((0, 1, 2), (-1,))
    mean, std = np.zeros(64, np.float32), np.full(64, 2, np.float32)

    def plain():
        np.subtract(x, mean.reshape(wide), out=y)
        np.divide(y, std.reshape(wide), out=y)

    return {
        "mean_var": (
            lambda: nbn.channel_mean_var(x, layout=layout),
            lambda: (x.mean(axes), x.var(axes)),
        ),
        "normalize": (lambda: nbn.channel_normalize(x, mean, std, layout=layout, out=y), plain),
    }


def moments(dtype, layout):
    """Return {name: call} on images of a dtype, statistics of three channels."""
    n, h, w, c = IMAGES
    shape = (n, c, h, w) if layout == "NCHW" else IMAGES
    x = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    axes = (0, 2, 3) if layout == "NCHW" else (0, 1, 2)
    return {
        "moments": lambda: nbn.Moments.of(x, layout=layout),
        "mean_var": lambda: nbn.channel_mean_var(x, layout=layout),
        "numpy": lambda: (x.mean(axes), x.std(axes), x.min(axes), x.max(axes)),
    }


class Time:
    """Time per call."""

    params, param_names = (LAYOUTS, sorted({1, ALL})), NAMES

    def setup(self, layout, threads):
        nbn.set_num_threads(threads)
        self.calls = calls(layout)
        for ours, _ in self.calls.values():
            ours()

    def time_mean_var(self, layout, threads):
        self.calls["mean_var"][0]()

    def time_normalize(self, layout, threads):
        self.calls["normalize"][0]()


class Ratio:
    """NumPy's time divided by ours, measured in turn."""

    params, param_names = (LAYOUTS, [ALL]), NAMES
    timeout = 120

    def setup(self, layout, threads):
        nbn.set_num_threads(threads)
        self.calls = calls(layout)

    def track_mean_var(self, layout, threads):
        return self.ratio("mean_var")

    def track_normalize(self, layout, threads):
        return self.ratio("normalize")

    def ratio(self, name):
        ours, plain = self.calls[name]
        times = side_by_side({"ours": ours, "numpy": plain})
        return times["numpy"] / times["ours"]

    track_mean_var.unit = track_normalize.unit = UNITS["numpy"]


class Moments:
    """Moments of images: their time, and that of the mean and variance alone divided by it."""

    params, param_names = (DTYPES, LAYOUTS, [ALL]), ["dtype", *NAMES]
    timeout = 120

    def setup(self, dtype, layout, threads):
        nbn.set_num_threads(threads)
        self.calls = moments(dtype, layout)
        self.calls["moments"]()

    def time_moments(self, dtype, layout, threads):
        self.calls["moments"]()

    def track_mean_var(self, dtype, layout, threads):
        chosen = {name: self.calls[name] for name in ("moments", "mean_var")}
        times = side_by_side(chosen)
        return times["mean_var"] / times["moments"]

    track_mean_var.unit = "time of the mean and variance alone / time"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=ALL)
    threads = parser.parse_args().threads
    nbn.set_num_threads(threads)
    print(f"{threads} threads, moments of {IMAGES}; others' time / ours")
    print(f"{'':16}{'ms':>8}{'GB/s':>8}{'mean_var':>10}{'numpy':>10}")
    for dtype in DTYPES:
        for layout in LAYOUTS:
            times = side_by_side(moments(dtype, layout))
            ours = times["moments"]
            size = np.prod(IMAGES) * np.dtype(dtype).itemsize / ours / 1e9
            others = "".join(f"{times[name] / ours:10.2f}" for name in ("mean_var", "numpy"))
            print(f"{dtype:8}{layout:8}{ours * 1e3:8.2f}{size:8.1f}{others}")


if __name__ == "__main__":
    main()
