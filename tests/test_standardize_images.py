"""standardize_images: right statistics, and what follows from them to the bit."""

import warnings

import numpy as np
import pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import same, scaled
from test_integer_statistics import exact

import numbanorm as nbn

OVER = ["image", "channel", "batch"]
AXES = {
    ("image", "NHWC"): (1, 2, 3),
    ("image", "NCHW"): (1, 2, 3),
    ("channel", "NHWC"): (1, 2),
    ("channel", "NCHW"): (2, 3),
    ("batch", "NHWC"): (0, 1, 2),
    ("batch", "NCHW"): (0, 2, 3),
}


def shaped(values, over, layout):
    """Return statistics so that they are those of an image's pixels."""
    if over == "image":
        return values[:, None, None, None]
    return pictures.per_channel(values, layout)


def statistics(x, over, layout):
    """Return means and variances: exact ones of integers, else those of longdouble."""
    axes = AXES[over, layout]
    if x.dtype.kind in "iu":
        return exact(x, axes)
    wide = x.astype(np.longdouble)
    return wide.mean(axis=axes).astype(float), wide.var(axis=axes).astype(float)


def check(x, images, over, layout="NHWC", to=None, eps=0.0, floor=None, out=None):
    """Check statistics, and by what is returned as such every bit of the result."""
    keywords = {"over": over, "layout": layout, "to": to, "eps": eps, "floor": floor, "out": out}
    y, mean, std = nbn.standardize_images(images, return_stats=True, **keywords)
    want_mean, var = statistics(x, over, layout)
    want_std = np.maximum(np.sqrt(var + eps), floor or 0.0)
    assert mean.dtype == std.dtype == np.float64 and mean.shape == std.shape == var.shape
    if x.dtype.kind in "iu":
        assert same(mean, want_mean) and same(std, want_std)
    else:
        np.testing.assert_allclose(mean, want_mean, 1e-13, 1e-14)
        np.testing.assert_allclose(std, want_std, 1e-12, 1e-14)
    to = to or layout
    divisors = np.where(std == 0, np.inf, std)
    turned = pictures.turned(x, layout, to)
    assert same(y, scaled(turned, shaped(mean, over, to), shaped(divisors, over, to), 1.0))
    return y


@pytest.mark.parametrize("to", ["NHWC", "NCHW"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_right(dtype, over, layout, to):
    for shape in ((3, 6, 7, 4), (2, 5, 3, 200), (1, 1, 1, 3), (2, 3, 90, 91), (4, 300, 2, 1)):
        x = pictures.pixels(shape, dtype)
        check(x, x, over, layout, to)
        check(x, list(x), over, layout, to, eps=0.5)
        check(x, np.asfortranarray(x), over, layout, to, floor=1e3)
        out = np.zeros((*pictures.turned(x, layout, to).shape, 2), np.float32)[..., 1]
        assert check(x, tuple(x), over, layout, to, out=out) is out


@settings(max_examples=100)
@given(st.data())
def test_drawn_memory(data):
    shape = data.draw(pictures.shapes().filter(lambda shape: 0 not in shape))
    memory = data.draw(pictures.memories(shape))
    dtype = data.draw(st.sampled_from([np.uint8, np.int16, np.float32]))
    x = memory.of(pictures.pixels(memory.sizes, dtype))
    images = data.draw(st.sampled_from([x, list(x)]))
    over, layout, to = (data.draw(st.sampled_from(a)) for a in (OVER, *2 * [["NHWC", "NCHW"]]))
    check(x, images, over, layout, to)


@pytest.mark.parametrize("over", OVER)
def test_one_image(over):
    x = pictures.pixels((1, 6, 7, 3), np.uint8)
    y, mean, std = nbn.standardize_images(x, over=over, return_stats=True)
    one = nbn.standardize_images(x[0], over=over, return_stats=True)
    assert same(one[0], y[0])
    for a, b in zip(one[1:], (mean, std)):
        assert same(a, b if over == "batch" else b[0])
    assert same(nbn.standardize_images(x[0], over=over), y[0])


def test_as_tensorflow_has_it():
    """per_image_standardization: (x - mean) / max(stddev, 1 / sqrt(number of elements))."""
    x = np.full((2, 8, 8, 1), 100, np.uint8)
    x[1, 0, 0, 0] = 101
    y, mean, std = nbn.standardize_images(x, floor=1 / 8, return_stats=True)
    assert np.array_equal(mean, [100, 100 + 1 / 64]) and std[0] == 1 / 8 and not y[0].any()
    assert np.array_equal(std, [1 / 8, max(1 / 8, x[1].std())])


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_constants(dtype, over):
    """Whatever the constants, and whatever is beside them."""
    values = [0, 255, 77] if dtype == np.uint8 else [30_001, 7, 32_767]
    x = np.empty((4, 31, 33, 3), dtype)
    x[...] = values[0] if over == "image" else values
    for images in (x, list(x), x[:, ::-1]):
        for eps in (0.0, 1e-5):
            y, mean, std = nbn.standardize_images(images, over=over, eps=eps, return_stats=True)
            assert not y.any()
            assert (std == np.sqrt(eps)).all() and set(mean.ravel()) <= set(values)


def test_large_means():
    """16 bits of a scan whose deviation is 1 of 30,000: E[x^2] - E[x]^2 in float32 has no digit."""
    x = (30_000 + np.random.default_rng(0).standard_normal((2, 100, 100, 1))).astype(np.int16)
    for over in OVER:
        check(x, x, over)
        check(-x, -x, over)


@pytest.mark.parametrize("over", OVER)
def test_nan_and_infinities_stay_where_they_are(over):
    """In their image, its channel, or that channel of all."""
    clean = pictures.pixels((3, 5, 6, 4), np.float32)
    for value in (np.nan, np.inf, -np.inf):
        x = clean.copy()
        x[1, 2, 3, 2] = value
        hit = {"image": np.s_[1], "channel": np.s_[1, ..., 2], "batch": np.s_[..., 2]}[over]
        touched = np.zeros(x.shape, bool)
        touched[hit] = True
        for images, plain in ((x, clean), (list(x), list(clean))):
            y = nbn.standardize_images(images, over=over)
            assert np.isnan(y[1, 2, 3, 2])
            want = nbn.standardize_images(plain, over=over)
            assert same(y[~touched], want[~touched])


@pytest.mark.parametrize("over", OVER)
@pytest.mark.parametrize("shape", [(0, 4, 5, 3), (2, 0, 5, 3), (2, 4, 0, 3), (2, 4, 5, 0)], ids=str)
def test_nothing(shape, over):
    """NaN for statistics of nothing, in an array or in a list; no warning, and no hanging."""
    n, channels = shape[0], shape[3]
    wanted = {"image": (n,), "channel": (n, channels), "batch": (channels,)}[over]
    for dtype in (np.uint8, np.float32):
        x = np.empty(shape, dtype)
        for images in (x, list(x)) if n else (x,):
            y, mean, std = nbn.standardize_images(images, over=over, return_stats=True)
            assert y.shape == shape and mean.shape == std.shape == wanted
            assert np.isnan(mean).all() and np.isnan(std).all()


@pytest.mark.parametrize("over", OVER)
def test_order_is_of_no_account(over):
    """The pixels of an image permuted, images in a list, on any number of threads."""
    x = pictures.pixels((6, 100, 120, 3), np.uint16)
    order = np.random.default_rng(0).permutation(100 * 120)
    permuted = x.reshape(6, -1, 3)[:, order].reshape(x.shape)
    _, *first = nbn.standardize_images(x, over=over, return_stats=True)
    for images in (permuted, list(permuted), list(x), x[:, ::-1], x.astype(">u2")):
        for threads in (1, 2):
            with nbn.num_threads(threads):
                _, *found = nbn.standardize_images(images, over=over, return_stats=True)
            assert all(same(a, b) for a, b in zip(found, first))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("over", OVER)
def test_in_place(over, layout):
    x = pictures.pixels((3, 6, 20, 4), np.float32)
    want = nbn.standardize_images(x, over=over, layout=layout)
    mine = x.copy()
    assert nbn.standardize_images(mine, over=over, layout=layout, out=mine) is mine
    assert same(mine, want)


def test_largest_numbers():
    """Of float64, whose squares are infinite; and an eps that makes the variance so."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = np.array([1e200, -1e200, 3e200, 0]).reshape(1, 2, 2, 1)
        for images in (x, list(x)):
            y, _, std = nbn.standardize_images(images, dtype=np.float64, return_stats=True)
            assert std == np.inf and np.isfinite(y).all()
        large = np.array([1e154, -1e154]).reshape(1, 2, 1, 1)
        nbn.standardize_images(large, eps=1.7e308, dtype=np.float64)
