"""Importing, the first call, and calls so small that only their overhead counts."""

import time
from statistics import median

import numpy as np

import numbanorm as nbn

FIRST = """
import numpy as np, numbanorm as nbn
nbn.batch_norm(np.ones((2, 3, 8, 8), np.float32), training=True)
"""

# Without a compiled kernel.
COLD = """
import os, tempfile
folder = tempfile.TemporaryDirectory()
os.environ["NUMBA_CACHE_DIR"] = folder.name
"""


class Import:
    """Each in a process of its own."""

    def timeraw_import_numpy(self):
        return "import numpy"

    def timeraw_import(self):
        return "import numbanorm"

    def timeraw_first_result(self):
        return FIRST

    def timeraw_first_result_cold(self):
        return COLD + FIRST

    # One process each: the code compiles, and there is nothing to average that is worth minutes.
    timeraw_first_result_cold.number = timeraw_first_result_cold.repeat = 1
    timeraw_first_result_cold.timeout = 120


def small_arrays():
    """Return x, and four arrays of its channels: a mean, a variance, a weight and a bias."""
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
    return x, np.zeros(3, "f4"), np.ones(3, "f4"), np.ones(3, "f4"), np.zeros(3, "f4")


class _Small:
    params, param_names = (["train", "eval", "backward"],), ["mode"]

    def setup(self, mode):
        x, mean, var, weight, bias = small_arrays()
        y = np.empty_like(x)
        self.call = {
            "train": lambda: nbn.batch_norm(x, mean, var, weight, bias, True, out=y),
            "eval": lambda: nbn.batch_norm(x, mean, var, weight, bias, out=y),
            "backward": lambda: nbn.batch_norm_backward(x, x, mean, var, weight, out=y),
        }[mode]
        self.call()


class SmallCall(_Small):
    """A (2, 3, 8, 8) call from Python."""

    def time_small(self, mode):
        self.call()


class SmallBeside(_Small):
    """The same, in turns with PyTorch's, on one thread."""

    params = (["train", "eval"],)

    def setup(self, mode):
        try:
            import torch
        except ImportError:
            # How asv is told that there is nothing to measure.
            raise NotImplementedError from None
        super().setup(mode)
        torch.set_num_threads(1)
        given = list(map(torch.from_numpy, small_arrays()))
        self.peer = lambda: torch.nn.functional.batch_norm(*given, mode == "train")

    def track_ratio(self, mode):
        turns = [[typical(self.call), typical(self.peer)] for _ in range(51)]
        return median(ours for ours, _ in turns) / median(theirs for _, theirs in turns)

    track_ratio.unit = "times as long as PyTorch"


def typical(call, number=500):
    """Return the mean time of calls in a row, warm."""
    call()
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number
