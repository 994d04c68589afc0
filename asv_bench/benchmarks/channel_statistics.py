"""Statistics alone: the mean and variance of channels, and normalising by given ones."""

import numpy as np

import numbanorm as nbn

from .common import inputs, side_by_side
from .suites import ALL, UNITS

SHAPE = "32x64x56x56"
NAMES = ["layout", "threads"]


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


class Time:
    """Time per call."""

    params, param_names = (["NCHW", "NHWC"], sorted({1, ALL})), NAMES

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

    params, param_names = (["NCHW", "NHWC"], [ALL]), NAMES
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
