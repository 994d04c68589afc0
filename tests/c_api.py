"""The C functions as tests call them: NumPy arrays for pointers, None for NULL."""

import numpy as np

from numbanorm import cabi

SUFFIX = {"float16": "f16", "bfloat16": "bf16", "float32": "f32", "float64": "f64"}
LAYOUTS = {"NCHW": 0, "NHWC": 1}


def pointer(array):
    ffi = cabi.ffi()
    if array is None:
        return ffi.NULL
    kind = {2: "uint16_t *", 4: "float *", 8: "double *"}[array.itemsize]
    return ffi.cast(kind, array.ctypes.data)


def text(chars):
    """Return a C string."""
    return cabi.ffi().string(chars).decode()


class Library:
    """The functions of a shared library, or of the table inside this process."""

    def __init__(self, functions, prefix):
        self.functions, self._prefix = functions, prefix

    def function(self, name):
        """Return a function by its name without a prefix."""
        return getattr(self.functions, f"{self._prefix}{name}")

    def __call__(self, name, dtype, *args):
        function = self.function(f"{name}_{SUFFIX[np.dtype(dtype).name]}")
        given = [
            pointer(arg) if arg is None or isinstance(arg, np.ndarray) else arg for arg in args
        ]
        return function(*given)

    def strerror(self, status):
        return text(getattr(self.functions, f"{self._prefix}strerror")(status))


def in_process():
    return Library(cabi.table(), "")


def shared(path):
    return Library(cabi.ffi().dlopen(str(path)), "nbn_")
