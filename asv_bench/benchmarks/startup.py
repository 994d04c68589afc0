"""Importing, the first call, and calls so small that only their overhead counts."""

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


class SmallCall:
    """A (2, 3, 8, 8) call from Python."""

    params, param_names = (["train", "eval", "backward"],), ["mode"]

    def setup(self, mode):
        x, one, zero = np.ones((2, 3, 8, 8), np.float32), np.ones(3, np.float32), np.zeros(3, "f")
        y = np.empty_like(x)
        self.call = {
            "train": lambda: nbn.batch_norm(x, zero, one, one, zero, True, out=y),
            "eval": lambda: nbn.batch_norm(x, zero, one, one, zero, out=y),
            "backward": lambda: nbn.batch_norm_backward(x, x, zero, one, one, out=y),
        }[mode]
        self.call()

    def time_small(self, mode):
        self.call()
