"""Images of every kind of memory, and what they must come to: NumPy's float64, rounded once."""

import numpy as np
from hypothesis import strategies as st
from ml_dtypes import bfloat16

FULL = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}
BFLOAT16 = np.dtype(bfloat16)

# Where the channels go from one layout to the other.
_TO = {("NHWC", "NCHW"): (0, 3, 1, 2), ("NCHW", "NHWC"): (0, 2, 3, 1)}


def every(dtype):
    """Return all values there are of a dtype of 8 or 16 bits: subnormal, infinite, NaN."""
    dtype = np.dtype(dtype)
    return np.arange(1 << 8 * dtype.itemsize).astype(f"u{dtype.itemsize}").view(dtype)


def scaled(x, mean, std, max_value=None, dtype=np.float32):
    """Return the formula, in float64; x, mean and std are of one shape, or may be made so."""
    most = FULL.get(x.dtype, 1.0) if max_value is None else max_value
    with np.errstate(all="ignore"):
        return ((x.astype(np.float64) / most - mean) / std).astype(dtype)


def turned(x, layout, to):
    """Return images, of rank 4, in another layout."""
    return x if layout == to else x.transpose(_TO[layout, to])


def per_channel(values, layout):
    """Return values of (C,) or (N, C), or a number, so that they are those of an image's pixels."""
    values = np.asarray(values, np.float64)
    if values.ndim == 2:
        return values[:, None, None, :] if layout == "NHWC" else values[:, :, None, None]
    return values[:, None, None] if values.ndim and layout == "NCHW" else values


def wanted(
    x, mean, std, max_value=None, layout="NHWC", to=None, dtype=np.float32, reverse_channels=False
):
    """Return what `normalize_images` must, of an array of rank 4."""
    to = to or layout
    y = turned(x, layout, to)
    if reverse_channels:
        y = y[..., ::-1] if to == "NHWC" else y[:, ::-1]
    return scaled(y, per_channel(mean, to), per_channel(std, to), max_value, dtype)


def same(got, want):
    """Return whether two arrays have one shape, one dtype and the same bits, NaN being NaN."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return False
    bits = f"u{got.dtype.itemsize}"
    equal = np.ascontiguousarray(got).view(bits) == np.ascontiguousarray(want).view(bits)
    return bool((equal | (np.isnan(got) & np.isnan(want))).all())


def pixels(shape, dtype, seed=0):
    """Return random pixels: all integers alike, floats about 0."""
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return rng.standard_normal(shape).astype(dtype)


class Memory:
    """A view of some shape into memory that is larger, and the way to it.

    Attributes
    ----------
    base : ndarray
        The memory.
    order : tuple of int
        Which of the view's axes the memory's are.
    slices : tuple of slice
        What the view is of each of the memory's axes.
    """

    def __init__(self, shape, order, margins, steps):
        sizes, slices = [], []
        for axis in order:
            (before, behind), step = margins[axis], steps[axis]
            extent = (shape[axis] - 1) * abs(step) + 1 if shape[axis] else 0
            sizes.append(before + extent + behind)
            last = before + extent - 1
            if step > 0 or not extent:
                slices.append(slice(before, before + extent, abs(step)))
            else:
                slices.append(slice(last, before - 1 if before else None, step))
        self.sizes, self.slices, self.order = tuple(sizes), tuple(slices), tuple(order)

    def of(self, base):
        """Return the view of such memory."""
        return base[self.slices].transpose(np.argsort(self.order))


@st.composite
def memories(draw, shape, plain=False):
    """Draw memory for an array: in its own order, in the other layout's or in any, with gaps."""
    rank = len(shape)
    order = tuple(range(rank))
    if plain or draw(st.booleans()):
        return Memory(shape, order, [(0, 0)] * rank, [1] * rank)
    order = draw(st.just(order) | st.permutations(order))
    margin = st.tuples(st.integers(0, 2), st.integers(0, 2))
    margins = draw(st.lists(st.just((0, 0)) | margin, min_size=rank, max_size=rank))
    steps = st.sampled_from([1, 1, 1, -1, -1, 2, -2, 3])
    return Memory(shape, order, margins, draw(st.lists(steps, min_size=rank, max_size=rank)))


# Around whole vectors of 16 and 8 lanes, and around rows that are taken as they are from 256 on.
WIDTHS = st.sampled_from([0, 1, 2, 3, 8, 15, 16, 17, 31, 33, 85, 86, 225, 300])

# With loops of their own (3, 4), the others, and more than are brought into order at once (64).
CHANNELS = st.sampled_from([0, 1, 2, 3, 3, 3, 4, 4, 5, 16, 67])


@st.composite
def shapes(draw):
    """Draw (N, H, W, C), of at most 200,000 elements."""
    n, height = draw(st.sampled_from([1, 2, 3, 0, 5])), draw(st.sampled_from([1, 2, 3, 7, 0, 40]))
    width, channels = draw(WIDTHS), draw(CHANNELS)
    while n * height * width * channels > 200_000:
        n, height = (n + 1) // 2, (height + 1) // 2
    return n, height, width, channels
