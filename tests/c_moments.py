"""A C struct of moments as tests call functions with it: its arrays, between guards, NumPy's."""

import numpy as np

from numbanorm import Moments, cabi

KINDS = {
    "uint8": "u8", "uint16": "u16", "int16": "i16", "float16": "f16", "bfloat16": "bf16",
    "float32": "f32", "float64": "f64",
}  # fmt: skip

GUARD = 8


def pointer(function, i, array):
    """Return an array, if it is one, as a C function's i-th argument."""
    kind = cabi.ffi().typeof(function).args[i]
    if array is None:
        return cabi.ffi().NULL
    return cabi.ffi().cast(kind, array.ctypes.data) if isinstance(array, np.ndarray) else array


class State:
    """A struct for so many channels, whose arrays are not initialised."""

    def __init__(self, library, channels):
        self.library, self.struct = library, cabi.ffi().new("nbn_moments *")
        kinds = (4, np.int64), (5, np.float64)
        self._rooms = [np.full(n * channels + 2 * GUARD, -(7**9), kind) for n, kind in kinds]
        self.sums, self.values = (room[GUARD : room.size - GUARD] for room in self._rooms)
        self.values[...] = np.nan
        self.struct.channels = channels
        self.struct.sums = pointer_to("int64_t *", self.sums)
        self.struct.values = pointer_to("double *", self.values)

    def hold(self, moments):
        """Set it to moments, and return it."""
        count, sums, values = moments.arrays()
        self.struct.count = count.tolist()
        self.sums[...], self.values[...] = sums.ravel(), values.ravel()
        return self

    @property
    def count(self):
        return np.array(list(self.struct.count))

    @property
    def moments(self):
        """What it holds."""
        return Moments.from_arrays(self.count, self.sums, self.values)

    def bytes(self):
        """Return all there is of it, guards too."""
        struct = bytes(cabi.ffi().buffer(self.struct))
        return struct, *(room.tobytes() for room in self._rooms)

    def guarded(self):
        """Return whether the guards are whole."""
        return all(
            (part == -(7**9)).all() for room in self._rooms for part in (room[:8], room[-8:])
        )

    def update(self, x, layout="NCHW", n=None, spatial=None, kind=None):
        """Take in an array of rank 3, or one of which n and the rest are said."""
        function = self.library.function(f"moments_update_{kind or KINDS[x.dtype.name]}")
        if isinstance(x, np.ndarray) and x.ndim == 3:
            n = len(x) if n is None else n
            spatial = x.shape[2 if layout == "NCHW" else 1] if spatial is None else spatial
        layout = {"NCHW": 0, "NHWC": 1}.get(layout, layout)
        return function(self.struct, pointer(function, 1, x), layout, n, spatial)

    def merge(self, other):
        """Take in another state, or what stands for a pointer to one."""
        other = other.struct if isinstance(other, State) else other
        return self.library.function("moments_merge")(self.struct, other)

    def mean_var(self, mean, var, correction=0.0):
        """Write means and variances to arrays."""
        function = self.library.function("moments_mean_var")
        return function(
            pointer(function, 0, mean), pointer(function, 1, var), self.struct, correction
        )

    def found(self, correction=0.0):
        """Return the means and variances."""
        mean, var = np.full((2, self.struct.channels), 7.0)
        assert self.mean_var(mean, var, correction) == 0
        return mean, var


def pointer_to(kind, array):
    """Return where an array is, as a pointer of a kind."""
    return cabi.ffi().cast(kind, array.ctypes.data)
