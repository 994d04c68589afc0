"""Peak memory of a process that normalises 100 MB: its arrays, Python and Numba included."""

from .common import NORMS, inputs


class Memory:
    """x, dy and y are three arrays of 103 MB; a temporary of x's size would show as a fourth."""

    params, param_names = (["NCHW", "NHWC"], NORMS["batch"].modes), ["layout", "mode"]

    def setup(self, layout, mode):
        self.call = inputs("batch", "32x256x56x56", layout).ours(mode)

    def peakmem_batch_norm(self, layout, mode):
        self.call()
