"""Results of `numbanorm.dask` are those of the whole array, however it is chunked."""

import numpy as np
import pictures
import pytest
import reference
from ml_dtypes import bfloat16
from pictures import same

import numbanorm as nbn

dask = pytest.importorskip("dask", reason="dask is in the extra dask")
da = pytest.importorskip("dask.array", reason="dask is in the extra dask")
lazy = pytest.importorskip("numbanorm.dask")

# NCHW; the last sizes and the first are of no round number, so that chunks are uneven.
SHAPES = [(23, 7), (9, 7, 11), (5, 6, 3, 4), (5, 6, 3, 2, 2)]
LAYOUTS = ["NCHW", "NHWC"]
INTEGERS = [np.uint8, np.uint16, np.int16]
FLOATS = [np.float16, bfloat16, np.float32, np.float64]

# From NCHW's axes to chunks: the size of all, or the sizes of each.
CHUNKS = {
    "one": lambda n, c, *spatial: -1,
    "samples": lambda n, c, *spatial: (1, -1, *[-1 for _ in spatial]),
    "channels": lambda n, c, *spatial: (-1, 4, *[-1 for _ in spatial]),
    "all axes": lambda n, c, *spatial: 2,
    # As a selection leaves them: some are empty, and no two alike.
    "uneven": lambda n, c, *spatial: ((1, 0, n - 3, 2), (1, c - 1), *[(1, s - 1) for s in spatial]),
    # More than are merged in one task, along one axis and along all.
    "elements": lambda n, c, *spatial: 1,
}


@pytest.fixture(autouse=True)
def synchronous():
    with dask.config.set(scheduler="synchronous"):
        yield


def chunked(x, layout, kind):
    """Return a Dask array of an x in NCHW, in a layout, and x in that layout."""
    sizes = CHUNKS[kind](*x.shape)
    array = da.from_array(x, chunks=sizes)
    return (array, x) if layout == "NCHW" else (da.moveaxis(array, 1, -1), np.moveaxis(x, 1, -1))


def parameters(channels):
    rng = np.random.default_rng(1)
    return rng.uniform(-2, 2, channels), rng.uniform(-2, 2, channels)


@pytest.mark.parametrize("kind", CHUNKS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_integers(shape, layout, kind):
    """The same bits for any chunks."""
    for dtype in INTEGERS:
        array, x = chunked(pictures.pixels(shape, dtype), layout, kind)
        found = lazy.channel_mean_var(array, layout=layout, correction=1)
        mean, var, moments = dask.compute(*found, lazy.moments(array, layout=layout))
        want = nbn.channel_mean_var(x, layout=layout, correction=1)
        assert same(mean, want[0]) and same(var, want[1])
        assert moments == nbn.Moments.of(x, layout=layout)
        y = lazy.channel_normalize(array, *found, layout=layout)
        assert y.dtype == np.float32 and y.chunks == array.chunks
        assert same(y.compute(), nbn.channel_normalize(x, mean, var, layout=layout))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kind", CHUNKS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_floats(shape, layout, kind, dtype):
    array, x = chunked((pictures.pixels(shape, np.float32) + 3).astype(dtype), layout, kind)
    weight, bias = (values.astype(dtype) for values in parameters(shape[1]))
    y = lazy.batch_norm(array, weight, da.from_array(bias, chunks=3), 0.5, layout=layout)
    z = lazy.channel_normalize(array, weight, bias, layout=layout)
    found = *lazy.channel_mean_var(array, layout=layout), lazy.moments(array, layout=layout)
    assert (y.shape, y.dtype, y.chunks) == (x.shape, x.dtype, array.chunks)
    y, z, mean, var, moments = dask.compute(y, z, *found)
    exact = reference.channel_mean_var(x.astype(np.float64), layout)
    assert mean.dtype == var.dtype == np.float64 and same(moments.mean, mean)
    np.testing.assert_allclose(mean, exact[0].astype(np.float64), rtol=1e-14)
    np.testing.assert_allclose(var, exact[1].astype(np.float64), rtol=1e-12)
    assert same(moments.max, x.astype(np.float64).max(_others(x, layout)))
    # By equal statistics, equal bits.
    assert same(y, nbn.batch_norm(x, mean, var, weight, bias, eps=0.5, layout=layout))
    assert same(z, nbn.channel_normalize(x, weight, bias, layout=layout))


def _others(x, layout):
    return tuple(i for i in range(x.ndim) if i != (1 if layout == "NCHW" else x.ndim - 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["samples", "all axes", "uneven"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_far_from_zero(layout, kind, dtype):
    """A mean of a million deviations, which differs from chunk to chunk a little."""
    rng = np.random.default_rng(2)
    x = (1e6 + rng.standard_normal((40, 7, 30))).astype(dtype)
    array, x = chunked(x, layout, kind)
    mean, var = dask.compute(*lazy.channel_mean_var(array, layout=layout))
    exact = reference.channel_mean_var(x.astype(np.float64), layout)
    np.testing.assert_allclose(mean, exact[0].astype(np.float64), rtol=1e-14)
    np.testing.assert_allclose(var, exact[1].astype(np.float64), rtol=1e-9)
    norm = reference.by_channel(x, layout)
    want, x_hat, *_ = norm.forward(x)
    # A mean of type float64 takes away what it rounds of a deviation of 1.
    allowed = norm.allowed(x_hat, None, None, dtype) + (dtype == np.float64) * np.spacing(1e6)
    assert (np.abs(lazy.batch_norm(array, layout=layout).compute() - want) <= allowed).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_constant_channels_become_bias(dtype):
    array = da.from_array(np.full((40, 3, 50), 0.1, dtype), chunks=(7, 2, 13))
    bias = np.arange(3).astype(dtype)
    for eps in (1e-5, 0.0):
        y = lazy.batch_norm(array, bias=bias, eps=eps).compute()
        assert (y == bias[:, np.newaxis]).all()


def test_unknown_sizes():
    """Along the batch, as a selection leaves them, and along the others but channels."""
    x = pictures.pixels((30, 5, 6), np.float32)
    chosen = np.arange(30) % 3 > 0
    array, want = da.from_array(x, chunks=(4, 2, 3))[da.from_array(chosen, chunks=4)], x[chosen]
    mean, var = lazy.channel_mean_var(array, correction=1)
    np.testing.assert_allclose(var.compute(), want.var((0, 2), np.float64, ddof=1), rtol=1e-12)
    y = lazy.batch_norm(array)
    assert np.isnan(y.shape[0]) and y.shape[1:] == (5, 6)
    assert np.allclose(y.compute(), nbn.batch_norm(want, training=True), atol=1e-6)
    assert same(
        lazy.channel_normalize(array, mean, var).compute(),
        nbn.channel_normalize(want, *dask.compute(mean, var)),
    )
    wide = da.from_array(x, chunks=(4, 2, 3))[:, :, da.from_array(np.arange(6) > 1, chunks=3)]
    assert same(lazy.moments(wide).compute().max, x[:, :, 2:].max((0, 2)).astype(np.float64))


def test_no_values():
    for shape, channels in (((0, 3, 4), 3), ((2, 3, 0), 3)):
        array = da.from_array(np.empty(shape, np.float32), chunks=2)
        mean, var, m = dask.compute(*lazy.channel_mean_var(array), lazy.moments(array))
        assert m.count.tolist() == [0] * channels
        assert np.isnan(mean).all() and np.isnan(var).all() and mean.shape == (channels,)
        assert lazy.batch_norm(array).compute().shape == shape
    array = da.from_array(np.empty((5, 0, 3), np.uint8), chunks=2)
    assert lazy.moments(array).compute() == nbn.Moments()
    assert lazy.channel_mean_var(array)[0].compute().shape == (0,)


def test_other_byte_order():
    x = pictures.pixels((9, 3, 4), np.float32)
    array = da.from_array(x.astype(">f4"), chunks=2)
    y = lazy.batch_norm(array)
    assert y.dtype == np.dtype(np.float32)
    assert same(y.compute(), lazy.batch_norm(da.from_array(x, chunks=2)).compute())
