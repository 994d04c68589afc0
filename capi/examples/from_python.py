"""Group norm of a NumPy array by the shared library, without the Python package.

    python from_python.py PREFIX

needs NumPy and cffi; PREFIX is the folder that `numbanorm capi --prefix` filled. Where numbanorm
can be imported too, the results are compared: they are the same to the last bit.
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
from cffi import FFI

ABI_VERSION = 2

# As numbanorm.h has them, which stay as they are while the ABI's version does.
ffi = FFI()
ffi.cdef("""
    int32_t nbn_group_norm_f32(
        float *y, const float *x, int32_t layout, int64_t n, int64_t channels, int64_t spatial,
        int64_t num_groups, const float *weight, const float *bias, double eps, double *mean,
        double *rstd);
    const char *nbn_strerror(int32_t status);
    int32_t nbn_abi_version(void);
""")
NBN_NHWC = 1


def load(prefix):
    """Return the functions of the library under a prefix."""
    library = ffi.dlopen(str(Path(prefix).absolute() / "lib" / f"libnumbanorm.so.{ABI_VERSION}"))
    if library.nbn_abi_version() != ABI_VERSION:
        raise ImportError(f"the ABI must be {ABI_VERSION}, got {library.nbn_abi_version()}")
    return library


def pointer(array, dtype=np.float32):
    """Return the address of an array of this dtype, which must be contiguous."""
    if array.dtype != dtype:
        raise TypeError(f"arrays must be {np.dtype(dtype)}, got {array.dtype}")
    return ffi.from_buffer("float[]" if dtype == np.float32 else "double[]", array)


def group_norm(library, x, num_groups, weight, bias, eps=1e-5):
    """Return the group norm of images of shape (n, h, w, c), and the groups' mean and rstd."""
    n, h, w, c = x.shape
    if weight.shape != (c,) or bias.shape != (c,):
        raise ValueError(f"weight and bias must have shape ({c},)")
    y = np.empty_like(x, order="C")
    mean, rstd = np.empty((2, n, num_groups))
    written = pointer(y), pointer(mean, np.float64), pointer(rstd, np.float64)
    status = library.nbn_group_norm_f32(
        written[0],
        pointer(x),
        NBN_NHWC,
        n,
        c,
        h * w,
        num_groups,
        pointer(weight),
        pointer(bias),
        eps,
        written[1],
        written[2],
    )
    if status:
        raise ValueError(ffi.string(library.nbn_strerror(status)).decode())
    return y, mean, rstd


def main(prefix):
    """Normalise random images; return 1 if the results differ from the package's, else 0."""
    library = load(prefix)
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (8, 56, 56, 96)).astype(np.float32)
    weight, bias = rng.uniform(0.5, 2, (2, 96)).astype(np.float32)
    results = group_norm(library, x, 32, weight, bias)
    print(
        "of the first group of the first image, mean and rstd:", results[1][0, 0], results[2][0, 0]
    )
    if importlib.util.find_spec("numbanorm") is None:
        print("numbanorm is not installed: nothing to compare with")
        return 0
    import numbanorm as nbn

    wanted = nbn.group_norm(x, 32, weight, bias, layout="NHWC", return_stats=True)
    same = all(np.array_equal(got, right) for got, right in zip(results, wanted))
    print("the package's results are", "the same bits" if same else "different")
    return 0 if same else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: from_python.py PREFIX")
    sys.exit(main(sys.argv[1]))
