"""The C functions of this process, called through cffi: small calls, and beside Python's."""

import numpy as np

import numbanorm as nbn

from .common import inputs, side_by_side
from .suites import ALL


def function(name):
    """Return a C function and cffi's interface; those of a type are compiled once for a commit."""
    try:
        from numbanorm import cabi
    except ImportError:
        # An older commit: asv takes this for "not there", no failure.
        raise NotImplementedError from None
    ffi = cabi.ffi()
    kind = dict(ffi.typeof("nbn_api").fields)[name].type
    return ffi.cast(kind, cabi.address(f"nbn_{name}")), ffi


def batch_norm(x, y, channels, spatial):
    """Return C's batch norm in training of NCHW arrays."""
    call, ffi = function("batch_norm_train_f32")
    px, py, none = ffi.from_buffer("float[]", x), ffi.from_buffer("float[]", y), ffi.NULL
    sizes = 0, x.shape[0], channels, spatial
    rest = none, none, none, none, 0.1, 1e-5, none, none
    return lambda: call(py, px, *sizes, *rest)


class Small:
    """A (2, 3, 8, 8) call, cffi's own part included."""

    timeout = 600

    def setup(self):
        x = np.ones((2, 3, 8, 8), np.float32)
        self.call = batch_norm(x, np.empty_like(x), 3, 64)
        self.call()

    def time_small(self):
        self.call()


class Beside:
    """The time of the Python function divided by that of the C function, measured in turn."""

    timeout = 600

    def setup(self):
        nbn.set_num_threads(ALL)
        self.data = inputs("batch", "32x256x56x56", "NCHW")
        self.c = batch_norm(self.data.x, self.data.y, 256, 56 * 56)

    def track_python(self):
        data = self.data
        times = side_by_side(
            {"c": self.c, "python": lambda: nbn.batch_norm(data.x, training=True, out=data.y)}
        )
        return times["python"] / times["c"]

    track_python.unit = "Python time / C time"
