"""The table of shapes, types and tolerances that the tests share, and inputs made from it."""

import numpy as np
import pytest
from hypothesis import strategies as st

# Shapes as (N, C, *spatial); `arrange` puts the channels last for NHWC.
SMALL = [
    (2, 1),  # the least that training takes: two values, one channel, no spatial axes
    (2, 3, 1),  # a spatial axis of one: run == 1 in both layouts
    (3, 5, 1, 1),  # the same in 4-D; neither 3 nor 5 is a multiple of anything
    (1, 3, 7, 7),  # one sample; a run of 49, no multiple of a vector
    (13, 16, 1, 1),  # outer is no multiple of 8; the channels are exactly one float32 vector
    (9, 17, 7, 7),  # one channel more than a vector
    (4, 64, 14, 14),
    (8, 100, 7, 7),
    (1, 3, 97, 101),  # one run of 9797 values: longer than one tile of 8192
    (2, 2, 8193),  # a tile and one element
    (3, 255, 2, 2),  # one less than 16 vectors, and ...
    (3, 256, 3),  # ... exactly 16 ...
    (5, 257, 1, 1),  # ... and one more
    (11, 511, 1, 1),  # the last channel count whose rows are folded together in NHWC
    (11, 512, 1),  # and the first whose rows are not
    (2, 640, 3, 3),  # between one and two slabs of 512
    (7, 1000),
    (2, 2048, 1, 1),
    (2, 2048, 7, 7),
    (17, 4099, 1),  # a prime count of channels just over one slab of 4096
    (2, 3, 4, 5, 6),  # 5-D
    (2, 3, 2, 1, 3, 2),  # 6-D
    (263, 1, 3),  # one channel; a prime count of rows just over one tile of 256
    (523, 3),  # NHWC: more than two tiles of 256 rows, the last one short
    (1031, 256),  # NHWC: 4 tiles of 256 rows; 256 * 256 is just the tile size
    (70001, 1),  # more than one tile of 65536 single values
    (4, 3, 150, 151),  # NHWC rows of 3, more than 65536 / 3 of them: merged tiles
    (32, 28, 28, 28),  # 28 channels at the edge of the size that takes threads
]

# More than 4 MiB of float32: several threads and the streaming stores.
LARGE = [
    (8, 64, 56, 56),  # ResNet-50's first stage
    (32, 1024, 7, 7),  # short runs, many channels
    (1, 3, 601, 607),  # fewer channels than cores * 4, runs of prime lengths
    (37, 1003, 6, 6),  # nothing is a multiple of a vector
    (1031, 1031),  # 2-D, both sizes prime
]

DTYPES = [np.float32, np.float64]
SIXTEEN = ["float16", "bfloat16"]
LAYOUTS = ["NCHW", "NHWC"]

# What x may be, as errors name it.
FLOATS = "float16, bfloat16, float32 or float64"

EPS = {np.dtype(np.float32): 2.0**-23, np.dtype(np.float64): 2.0**-52}

# Gradients, relative to their largest element: DESIGN.md 3 for float32. For float64, M sums of
# rounded terms stay below 1e-12 for all sizes here (the statistics are good to 1e-15 * sqrt(M)).
GRADIENT = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}

# Mean and variance, relative: float64, whatever x's type. The sums of squares of float32 values
# whose mean is a thousand deviations from 0 cancel to a millionth.
STATISTICS = {np.dtype(np.float32): 1e-10, np.dtype(np.float64): 1e-13}

# Running statistics have x's type.
RUNNING = {np.dtype(np.float32): 1e-6, np.dtype(np.float64): 1e-13}

# Against PyTorch, which has its own rounding errors: a few units of the largest element.
TORCH = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-11}


def dtype_of(name):
    """Return the dtype of a name, if it is not missing."""
    if name == "bfloat16":
        pytest.importorskip("ml_dtypes")
    return np.dtype(name)


def computed(dtype):
    """Return the dtype that is computed with, of parameters in C and of gradients."""
    return np.promote_types(dtype, np.float32)


def arrange(shape, layout):
    """Return the shape (N, C, *spatial) with the channels where the layout has them."""
    return shape if layout == "NCHW" else (shape[0], *shape[2:], shape[1])


def channels(shape, layout):
    """Return the number of channels of an arranged shape."""
    return shape[1] if layout == "NCHW" else shape[-1]


def normal(shape, dtype, seed=0, mean=0.5, std=2.0):
    """Return normally distributed values."""
    rng = np.random.default_rng([seed, *shape])
    return (rng.standard_normal(shape) * std + mean).astype(dtype)


def affine(count, dtype, which="both"):
    """Return (weight, bias) of `count` channels, either of them None unless `which` names it."""
    weight, bias = normal((count,), dtype, 1), normal((count,), dtype, 2)
    return (
        weight if which in ("both", "weight") else None,
        bias if which in ("both", "bias") else None,
    )


def running_arrays(count, dtype):
    """Return a running mean and variance of some earlier batches."""
    return normal((count,), dtype, 3), np.abs(normal((count,), dtype, 4)) + 0.25


def misaligned(x, offset):
    """Return a copy of x in a bigger buffer, `offset` elements behind a 64-byte boundary."""
    buffer = np.empty(x.size + offset + 64 // x.itemsize, x.dtype)
    start = (-buffer.ctypes.data // x.itemsize) % (64 // x.itemsize) + offset
    y = buffer[start : start + x.size].reshape(x.shape)
    y[...] = x
    return y


# Sizes of one and primes: each is a place where a loop's tail, or a whole loop, is empty.
SIZES = st.sampled_from([1, 2, 3, 5, 7, 11, 13, 17, 19])


@st.composite
def large_shapes(draw):
    """Draw a shape of a little more than 4 MiB of float32, whose results are streamed."""
    channels = draw(st.integers(1, 2000))
    spatial = draw(st.integers(1, 3000))
    return (1 << 20) // (channels * spatial) + draw(st.integers(1, 2)), channels, spatial


@st.composite
def shapes(draw):
    """Draw a shape (N, C, *spatial) of rank 2 to 5 with at least two values a channel."""
    spatial = draw(st.lists(SIZES, max_size=3))
    n, c = draw(SIZES), draw(SIZES | st.sampled_from([23, 61, 127, 257]))
    # Larger ones find nothing that these don't, and cost longdouble references of seconds.
    while n * c * np.prod(spatial, dtype=int) > 200_000:
        spatial.pop()
    if n * np.prod(spatial, dtype=int) < 2:
        n = 2
    return (n, c, *spatial)


def relative_error(got, wanted):
    """Return the largest error, relative to the largest element wanted."""
    wanted = np.asarray(wanted)
    largest = np.abs(wanted).max(initial=0)
    error = np.abs(got - wanted).max(initial=0)
    return float(error if largest == 0 else error / largest)
