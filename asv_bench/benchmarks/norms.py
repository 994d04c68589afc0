"""Time, copy fraction and ratios to peers of each norm: a class for each, from one table."""

import numbanorm as nbn

from .common import NORMS, inputs, ratios

QUICK = {
    "batch": ["32x64x56x56", "1x64x56x56"],
    "instance": ["32x64x56x56", "32x1024x14x14"],
    "group": ["32x64x56x56", "32x1024x14x14"],
    "layer": ["8192x1024", "257x768"],
    "rms": ["8192x1024", "257x768"],
}


def suites(norm):
    """Return the two classes of a norm: times, and ratios taken within one run."""
    kind = NORMS[norm]
    given = QUICK[norm], kind.layouts, [1, 2], kind.modes
    names = ["shape", "layout", "threads", "mode"]

    class Time:
        """Time per call with the result array given."""

        params, param_names = given, names

        def setup(self, shape, layout, threads, mode):
            nbn.set_num_threads(threads)
            self.call = inputs(norm, shape, layout).ours(mode)
            self.call()

        def time_call(self, shape, layout, threads, mode):
            self.call()

    class Ratio:
        """Times of others divided by ours, measured in turn: above 1, we are faster."""

        params, param_names = given, names
        timeout = 120

        def setup(self, shape, layout, threads, mode):
            nbn.set_num_threads(threads)
            self.data = inputs(norm, shape, layout)

        def compare(self, theirs, mode):
            if theirs is None:
                return float("nan")
            times = ratios({"ours": self.data.ours(mode), "other": theirs})
            return times["other"] / times["ours"]

        def track_memory(self, shape, layout, threads, mode):
            return self.compare(self.data.reference(mode), mode)

        def track_torch(self, shape, layout, threads, mode):
            try:
                return self.compare(self.data.torch(mode), mode)
            except ImportError:
                return float("nan")

        track_memory.unit = "copy or stream time / time"
        track_torch.unit = "PyTorch time / time"

    for suite in (Time, Ratio):
        suite.__name__ = suite.__qualname__ = norm.capitalize() + suite.__name__
    return Time, Ratio


BatchTime, BatchRatio = suites("batch")
InstanceTime, InstanceRatio = suites("instance")
GroupTime, GroupRatio = suites("group")
LayerTime, LayerRatio = suites("layer")
RmsTime, RmsRatio = suites("rms")


class Memory:
    """Peak memory of a process that normalises 100 MB, result and Numba included."""

    params, param_names = (["NCHW", "NHWC"], NORMS["batch"].modes), ["layout", "mode"]

    def setup(self, layout, mode):
        self.call = inputs("batch", "32x256x56x56", layout).ours(mode)

    def peakmem_batch_norm(self, layout, mode):
        self.call()
