"""Time, copy fraction, PyTorch ratio and peak memory of batch norm."""

import numbanorm as nbn

from .common import LAYOUTS, MODES, SHAPES, STREAMS, inputs, ratios

# No layout or mode is left out: each has kernels of its own.
PARAMS = ([*SHAPES], LAYOUTS, [1, 2])
NAMES = ["shape", "layout", "threads"]


class BatchNorm:
    """Time per call with the result array given."""

    params, param_names = PARAMS, NAMES

    def setup(self, shape, layout, threads):
        nbn.set_num_threads(threads)
        data = inputs(shape, layout)
        self.train, self.eval, self.backward = (data.ours(mode) for mode in MODES)
        for call in (self.train, self.eval, self.backward):
            call()

    def time_train(self, shape, layout, threads):
        self.train()

    def time_eval(self, shape, layout, threads):
        self.eval()

    def time_backward(self, shape, layout, threads):
        self.backward()


class Ratio:
    """Times of others divided by ours, measured in turn: above 1, we are faster."""

    params, param_names = (*PARAMS, MODES), [*NAMES, "mode"]
    timeout = 120

    def setup(self, shape, layout, threads, mode):
        nbn.set_num_threads(threads)
        self.data = inputs(shape, layout)

    def track_copy(self, shape, layout, threads, mode):
        times = ratios({"ours": self.data.ours(mode), "other": self.data.copy()})
        return STREAMS[mode] * times["other"] / times["ours"]

    track_copy.unit = "copy time / time"

    def track_torch(self, shape, layout, threads, mode):
        theirs = self.data.torch(mode)
        if theirs is None:
            return float("nan")
        times = ratios({"ours": self.data.ours(mode), "other": theirs})
        return times["other"] / times["ours"]

    track_torch.unit = "PyTorch time / time"


class Memory:
    """Peak memory of a process that normalises 100 MB, result and Numba included."""

    params, param_names = (LAYOUTS, MODES), ["layout", "mode"]

    def setup(self, layout, mode):
        self.call = inputs("32x256x56x56", layout).ours(mode)

    def peakmem_batch_norm(self, layout, mode):
        self.call()
