"""channel_mean_var and channel_normalize of integers: sums are exact, and rounded once."""

from fractions import Fraction

import numpy as np
import pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import same, scaled

import numbanorm as nbn

DTYPES = [np.uint8, np.uint16, np.int16]


def exact(x, axes, correction=0):
    """Return the nearest float64 to the means and variances over some axes, by Python's integers.

    NumPy's int64 and uint64 hold the sums of what tests have.
    """
    wide = x.astype(np.int64)
    count = int(np.prod([x.shape[axis] for axis in axes]))
    plain = wide.sum(axis=axes)
    squares = (wide * wide).astype(np.uint64).sum(axis=axes)
    mean, var = np.empty(plain.shape), np.empty(plain.shape)
    for i in np.ndindex(plain.shape):
        total = int(plain[i])
        mean[i] = float(Fraction(total, count))
        spread = Fraction(count * int(squares[i]) - total * total, count)
        var[i] = float(spread / (count - Fraction(correction)))
    return mean, var


def check(x, layout, correction=0):
    axis = 1 if layout == "NCHW" else x.ndim - 1
    want = exact(x, tuple(i for i in range(x.ndim) if i != axis), correction)
    mean, var = nbn.channel_mean_var(x, layout=layout, correction=correction)
    assert same(mean, want[0]) and same(var, want[1])


# (N, C, spatial): runs short and long, more than a tile of 8192; rows folded, not folded, of more
# than a slab; tiles of 65536 single values; over 131,072 elements, which threads share.
SHAPES = [
    (1, 1, 1),
    (2, 3, 1),
    (1, 3, 97 * 101),
    (5, 257, 1),
    (2, 3, 8193),
    (11, 511, 2),
    (17, 4099, 1),
    (200_003, 1, 1),
    (70_001, 3, 1),
    (4, 3, 150 * 151),
    (263, 5, 130),
    (3, 2, 200_000),
]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_mean_var(shape, dtype, layout):
    n, channels, spatial = shape
    x = pictures.pixels(shape if layout == "NCHW" else (n, spatial, channels), dtype)
    check(x, layout)
    limits = np.iinfo(dtype)
    # The largest sums of squares there are, and the largest that cancel.
    for extreme in (limits.max, limits.min):
        check(np.full_like(x, extreme), layout)
    x[...] = np.where(x % 2, limits.max, limits.min)
    check(x, layout)


@settings(max_examples=100)
@given(
    shape=st.lists(st.sampled_from([1, 2, 3, 7, 16, 50, 129]), min_size=2, max_size=4),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    dtype=st.sampled_from(DTYPES),
    share=st.sampled_from([0, 0.5, 0.9999, -3, 1e-300, 0.1]),
    seed=st.integers(0, 99),
)
def test_corrections(shape, layout, dtype, share, seed):
    while np.prod(shape) > 100_000:
        shape.pop()
    x = pictures.pixels(shape, dtype, seed)
    count = x.size // shape[1 if layout == "NCHW" else -1]
    check(x, layout, share * count)


@pytest.mark.parametrize("dtype", DTYPES)
def test_order_is_of_no_account(dtype):
    """Permuted, cut otherwise, on other threads: the same bits."""
    rng = np.random.default_rng(3)
    x = pictures.pixels((100_000, 5), dtype)
    first = nbn.channel_mean_var(x)
    shuffled = rng.permutation(x)
    for other, layout in (
        (shuffled, "NCHW"),
        (shuffled.reshape(10, 10_000, 5), "NHWC"),
        (np.ascontiguousarray(shuffled.reshape(10, 10_000, 5).transpose(0, 2, 1)), "NCHW"),
        (shuffled[::-1], "NCHW"),
        (shuffled.astype(shuffled.dtype.newbyteorder()), "NCHW"),
    ):
        for threads in (1, 2):
            with nbn.num_threads(threads):
                found = nbn.channel_mean_var(other, layout=layout)
            assert same(found[0], first[0]) and same(found[1], first[1])


def test_no_values():
    for shape, channels in (((0, 3, 4), 3), ((2, 3, 0), 3), ((2, 0, 3), 0)):
        mean, var = nbn.channel_mean_var(np.empty(shape, np.uint8))
        assert mean.shape == var.shape == (channels,)
        assert np.isnan(mean).all() and np.isnan(var).all()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 7), (2, 4, 5, 6), (2, 3, 4, 5, 6)], ids=str)
def test_normalize(shape, dtype, layout):
    """Float32, the result of float64 rounded once, wherever it goes."""
    x = pictures.pixels(shape, dtype)
    channels = shape[1 if layout == "NCHW" else -1]
    mean, std = np.linspace(3, 100, channels), np.linspace(-7, 9.5, channels)
    by = (channels, *[1] * (x.ndim - 2)) if layout == "NCHW" else (channels,)
    want = scaled(x, mean.reshape(by), std.reshape(by), 1.0)
    assert same(nbn.channel_normalize(x, mean, std, layout=layout), want)
    for out in (
        np.empty(shape, np.float32),
        np.empty(shape[::-1], np.float32).T,
        np.empty((*shape, 2), np.float32)[..., 1],
        np.empty(shape, ">f4"),
    ):
        assert nbn.channel_normalize(x, mean, std, layout=layout, out=out) is out
        assert same(out.astype(np.float32), want)


def test_normalize_keeps_the_order_of_axes():
    """As of floats: what is NHWC in memory is not made NCHW."""
    x = pictures.pixels((2, 9, 8, 3), np.uint8).transpose(0, 3, 1, 2)
    y = nbn.channel_normalize(x, [1.0, 2, 3], [4.0, 5, 6])
    assert y.strides == nbn.channel_normalize(x.astype("f4"), [1.0, 2, 3], [4.0, 5, 6]).strides
    assert same(y.transpose(0, 2, 3, 1), scaled(x.transpose(0, 2, 3, 1), [1, 2, 3], [4, 5, 6], 1.0))


def test_normalize_by_nothing():
    """Where a std is 0, so is the result, as of floats; NaN stays in its channel."""
    x = np.array([[1, 1, 1, 1], [3, 3, 3, 3]], np.uint8)
    y = nbn.channel_normalize(x, [2, 2, np.nan, 2], [0, np.inf, 1, 2])
    assert np.array_equal(y, [[0, 0, np.nan, -0.5], [0, 0, np.nan, 0.5]], equal_nan=True)


def test_bad_results_are_refused():
    x = pictures.pixels((4, 3), np.uint8)
    room = np.zeros(12, np.float32)
    for out, error, message in (
        (np.zeros((4, 3), np.uint8), TypeError, "out must be float32 like the result, got uint8"),
        (np.zeros((3, 4), np.float32), ValueError, r"out must have the result's shape \(4, 3\)"),
    ):
        with pytest.raises(error, match=message):
            nbn.channel_normalize(x, 3 * [0.0], 3 * [1.0], out=out)
        assert not out.any()
    inside = room.view(np.uint8)[20:32].reshape(4, 3)
    with pytest.raises(ValueError, match="out must share no memory with x, got an overlap"):
        nbn.channel_normalize(inside, 3 * [0.0], 3 * [1.0], out=room.reshape(4, 3))
