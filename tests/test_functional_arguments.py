"""What the functions take: layouts, ranks, strides, byte orders, read-only memory, `out`."""

import sys
import warnings

import numpy as np
import pytest
import reference

import numbanorm as nbn

# The second of each is odd on purpose: sizes of 1 make an array contiguous in several orders.
SHAPES = [
    (5, 3),
    (4, 1),  # one channel
    (4, 3, 7),
    (4, 3, 1),  # NCHW and NHWC memory coincide
    (2, 3, 4, 5),
    (2, 3, 1, 5),
    (1, 3, 4, 5),  # one sample
    (2, 1, 4, 5),  # one channel
    (2, 3, 2, 4, 5),
    (2, 3, 1, 1, 4),
    (2, 3, 2, 2, 1, 4),
]
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}
DTYPES = list(TOLERANCE)


def draw(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(1.0, 2.0, shape).astype(dtype)


def parameters(channels, dtype="float32"):
    rng = np.random.default_rng(1)
    return [rng.uniform(0.5, 2.0, channels).astype(dtype) for _ in range(4)]


def check(x, layout="NCHW", **given):
    """Compare inference, training and channel statistics on x with NumPy in a wider type."""
    x64 = np.asarray(x).astype(np.float64)
    dtype = x64.dtype if np.asarray(x).dtype.itemsize == 8 else np.dtype(np.float32)
    tolerance = TOLERANCE[dtype.name]
    weight, bias, mean, var = parameters(x64.shape[1 if layout == "NCHW" else -1], dtype)
    truth = reference.by_channel(x64, layout)
    y = nbn.batch_norm(x, mean, var, weight, bias, layout=layout, **given)
    wanted, *_ = truth.forward(x64, weight, bias, given=(mean, var))
    np.testing.assert_allclose(y, wanted, rtol=tolerance, atol=8 * tolerance)
    assert y.dtype == dtype
    trained = nbn.batch_norm(x, None, None, weight, bias, True, layout=layout)
    wanted, _, *batch = truth.forward(x64, weight, bias)
    np.testing.assert_allclose(trained, wanted, rtol=tolerance, atol=8 * tolerance)
    for found, wanted in zip(nbn.channel_mean_var(x, layout=layout), batch, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)
    return y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
class TestLayouts:
    def test_nchw(self, shape, dtype):
        assert check(draw(shape, dtype)).flags.c_contiguous

    def test_nhwc(self, shape, dtype):
        x = np.ascontiguousarray(np.moveaxis(draw(shape, dtype), 1, -1))
        assert check(x, "NHWC").flags.c_contiguous

    def test_channels_last_view(self, shape, dtype):
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(draw(shape, dtype), 1, -1)), -1, 1)
        y = check(x)
        if min(shape) > 1:
            assert y.strides == x.strides
        assert np.moveaxis(y, 1, -1).flags.c_contiguous or y.flags.c_contiguous

    def test_channels_first_view(self, shape, dtype):
        x = np.moveaxis(draw(shape, dtype), 1, -1)
        y = check(x, "NHWC")
        if min(shape) > 1 and len(shape) > 2:
            assert y.strides == x.strides

    def test_backward_in_each_order(self, shape, dtype):
        x, dy = draw(shape, dtype), draw(shape, dtype, seed=2)
        weight = parameters(shape[1], dtype)[0]
        _, mean, rstd = nbn.batch_norm(x, training=True, return_stats=True)
        wanted = nbn.batch_norm_backward(dy, x, mean, rstd, weight)
        last = [np.ascontiguousarray(np.moveaxis(a, 1, -1)) for a in (dy, x)]
        views = [np.moveaxis(a, -1, 1) for a in last]
        results = [
            nbn.batch_norm_backward(views[0], views[1], mean, rstd, weight),
            nbn.batch_norm_backward(dy, views[1], mean, rstd, weight),
            nbn.batch_norm_backward(views[0], x, mean, rstd, weight),
            nbn.batch_norm_backward(last[0], last[1], mean, rstd, weight, layout="NHWC"),
        ]
        results[-1] = (np.moveaxis(results[-1][0], -1, 1), *results[-1][1:])
        scale = max(np.abs(a).max() for a in wanted)
        for result in results:
            for found, right in zip(result, wanted, strict=True):
                np.testing.assert_allclose(found, right, rtol=0, atol=8 * TOLERANCE[dtype] * scale)


def strided(x):
    big = np.zeros([2 * n for n in x.shape], x.dtype)
    view = big[tuple(slice(None, None, 2) for _ in x.shape)]
    view[...] = x
    return view


def misaligned(x):
    buffer = np.zeros(x.nbytes + 1, np.uint8)
    view = buffer[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


def readonly(x):
    x = x.copy()
    x.flags.writeable = False
    return x


SWAPPED = ">" if sys.byteorder == "little" else "<"
FORMS = {
    "strided": strided,
    "negative": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "fortran": np.asfortranarray,
    "broadcast": lambda x: np.broadcast_to(x[:, :, :1], x.shape),
    "readonly": readonly,
    "readonly channels_last": lambda x: readonly(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "swapped": lambda x: x.astype(x.dtype.newbyteorder(SWAPPED)),
    "misaligned": misaligned,
    "list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
class TestForms:
    @pytest.mark.parametrize("dtype", DTYPES)
    def test_x(self, form, dtype):
        x = FORMS[form](draw((2, 3, 4, 5), dtype))
        before = np.array(x)
        y = check(x)
        assert type(y) is np.ndarray
        np.testing.assert_array_equal(np.array(x), before)

    def test_dy(self, form):
        x, dy = draw((2, 3, 4, 5), "float64"), FORMS[form](draw((2, 3, 4, 5), "float64", 2))
        stats = np.zeros(3), np.ones(3)
        found = nbn.batch_norm_backward(dy, x, *stats)
        wanted = nbn.batch_norm_backward(np.array(dy), x, *stats)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "form", ["strided", "readonly", "swapped", "misaligned", "negative", "list"]
)
def test_parameters_in_any_form(form):
    x, given = draw((2, 3, 4, 5), "float64"), parameters(3, "float64")
    make = FORMS[form] if form != "negative" else lambda a: a[::-1].copy()[::-1]
    weight, bias, mean, var = map(make, given)
    found = nbn.batch_norm(x, mean, var, weight, bias)
    wanted = nbn.batch_norm(x, given[2], given[3], given[0], given[1])
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("form", ["plain", "strided", "swapped", "misaligned"])
def test_running_arrays_in_any_form(form):
    x = draw((4, 3, 5))
    mean, var = np.zeros(3, "f4"), np.ones(3, "f4")
    given = [(a.copy() if form == "plain" else FORMS[form](a)) for a in (mean, var)]
    nbn.batch_norm(x, *given, training=True, momentum=0.25)
    x64 = x.astype(np.float64)
    wanted = 0.25 * x64.mean((0, 2)), 0.75 + 0.25 * x64.var((0, 2), ddof=1)
    for found, right in zip(given, wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-6, atol=1e-7)


def test_running_arrays_alone():
    x, mean, var = draw((4, 3, 5)), np.zeros(3, "f4"), np.ones(3, "f4")
    nbn.batch_norm(x, mean, var, training=True)
    alone = np.zeros(3, "f4"), np.ones(3, "f4")
    nbn.batch_norm(x, alone[0], training=True)
    nbn.batch_norm(x, running_var=alone[1], training=True)
    np.testing.assert_array_equal(alone, (mean, var))


def test_running_update_is_silent_and_kept_to_its_channel():
    x = np.ones((4, 3), "f4")
    x[0] = [np.inf, np.finfo("f4").max, 2.0]
    mean, var = np.zeros(3, "f4"), np.ones(3, "f4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbn.batch_norm(x, mean, var, training=True, return_stats=True)
    assert not np.isfinite(var[0])
    assert mean[2] == np.float32(0.125)


@pytest.mark.peers
def test_running_arrays_of_torch():
    torch = pytest.importorskip("torch")
    x = draw((4, 3, 5))
    found, wanted = ([torch.zeros(3), torch.ones(3)] for _ in range(2))
    y = nbn.batch_norm(torch.from_numpy(x), *found, training=True)
    torch.nn.functional.batch_norm(torch.from_numpy(x), *wanted, training=True)
    assert type(y) is np.ndarray
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_inference_by_statistics_of_any_precision(layout):
    """Those of `channel_mean_var` are float64; 1e5 deviations from 0 float32 would not do."""
    x = draw((40, 6, 6)) + np.float32(1e5)
    mean, var = nbn.channel_mean_var(x, layout=layout)
    axes = (0, 2) if layout == "NCHW" else (0, 1)
    wide = x.astype(float)
    wanted = (wide - wide.mean(axes, keepdims=True)) / np.sqrt(wide.var(axes, keepdims=True) + 1e-5)
    for var_like in (var, var.astype("f4")):
        y = nbn.batch_norm(x, mean, var_like, layout=layout)
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6)
    y = nbn.batch_norm(wide, mean.astype("f4"), var.astype("f4"), layout=layout)
    y_like = nbn.batch_norm(
        wide, mean.astype("f4").astype(float), var.astype("f4").astype(float), layout=layout
    )
    np.testing.assert_array_equal(y, y_like)


def test_return_stats():
    x, (_, _, mean, var) = draw((4, 3, 5)), parameters(3)
    _, m, r = nbn.batch_norm(x, mean, var, return_stats=True)
    np.testing.assert_array_equal(m, mean)
    assert m is not mean and m.dtype == r.dtype == np.float64
    np.testing.assert_allclose(r, 1 / np.sqrt(var.astype(float) + 1e-5), rtol=1e-15)
    _, m, r = nbn.batch_norm(np.full((4, 2), 3.0), training=True, eps=0, return_stats=True)
    np.testing.assert_array_equal((m, r), [[3, 3], [0, 0]])


OUTS = {
    "contiguous": np.empty_like,
    "channels_last": lambda x: np.empty((2, 4, 5, 3), x.dtype).transpose(0, 3, 1, 2),
    "strided": strided,
    "misaligned": misaligned,
    "swapped": FORMS["swapped"],
}
SOURCES = {"contiguous": np.array, "channels_last": FORMS["readonly channels_last"], **FORMS}
del SOURCES["list"]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("target", OUTS)
def test_out(source, target):
    plain = draw((2, 3, 4, 5))
    x, out = SOURCES[source](plain), OUTS[target](plain)
    weight, bias, mean, var = parameters(3)
    wanted = nbn.batch_norm(x, mean, var, weight, bias)
    assert nbn.batch_norm(x, mean, var, weight, bias, out=out) is out
    np.testing.assert_allclose(out, wanted, rtol=1e-6, atol=1e-6)
    wanted = nbn.batch_norm_backward(x, x, mean, var, weight)[0]
    assert nbn.batch_norm_backward(x, x, mean, var, weight, out=out)[0] is out
    np.testing.assert_allclose(out, wanted, rtol=1e-6, atol=1e-5)
    assert nbn.channel_normalize(x, mean, var, out=out) is out


@pytest.mark.parametrize("form", OUTS)
@pytest.mark.parametrize("training", [False, True])
def test_in_place(form, training):
    x = OUTS[form](draw((2, 3, 4, 5)))
    x[...] = draw((2, 3, 4, 5))
    weight, bias, mean, var = parameters(3)
    wanted = nbn.batch_norm(x, mean, var, weight, bias, training)
    same = x[...]
    assert nbn.batch_norm(x, mean, var, weight, bias, training, out=same) is same
    if not training:
        np.testing.assert_array_equal(x, wanted)
    np.testing.assert_allclose(x, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("place", ["dy", "x"])
@pytest.mark.parametrize("form", OUTS)
def test_backward_in_place(form, place):
    x, dy = (OUTS[form](draw((2, 3, 4, 5))) for _ in range(2))
    x[...], dy[...] = draw((2, 3, 4, 5)), draw((2, 3, 4, 5), seed=3)
    _, mean, rstd = nbn.batch_norm(x, training=True, return_stats=True)
    wanted = nbn.batch_norm_backward(dy, x, mean, rstd)[0]
    out = {"dy": dy, "x": x}[place]
    assert nbn.batch_norm_backward(dy, x, mean, rstd, out=out)[0] is out
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("order", ["contiguous", "channels_last"])
def test_in_place_makes_no_copy(order):
    tracemalloc = pytest.importorskip("tracemalloc")
    x = OUTS[order](draw((2, 3, 4, 5))) if order == "contiguous" else None
    x = np.zeros((2, 64, 64, 32), "f4")
    x = x.transpose(0, 3, 1, 2) if order == "channels_last" else x
    mean, var = np.zeros(x.shape[1], "f4"), np.ones(x.shape[1], "f4")
    nbn.batch_norm(x, mean, var, out=x)
    tracemalloc.start()
    try:
        nbn.batch_norm(x, mean, var, out=x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes / 4


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4, 4), (2, 3, 0, 4), (2, 0, 4, 4), (1, 0)])
@pytest.mark.parametrize("training", [False, True])
def test_empty(shape, training):
    x, channels = np.zeros(shape, "f4"), shape[1]
    mean, var = np.full(channels, 2, "f4"), np.full(channels, 3, "f4")
    y, m, r = nbn.batch_norm(x, mean, var, training=training, return_stats=True)
    assert y.shape == shape and y.dtype == np.float32
    assert (mean == 2).all() and (var == 3).all()
    assert m.shape == r.shape == (channels,)
    assert np.isnan(m).all() if training else (m == 2).all()
    assert nbn.batch_norm(x, mean, var, training=training, out=x) is x
    dx, dweight, dbias = nbn.batch_norm_backward(x, x, mean, var)
    assert dx.shape == shape
    assert not dweight.any() and not dbias.any() and dbias.shape == dweight.shape == (channels,)
    assert np.isnan(nbn.channel_mean_var(x)).all()
    assert nbn.channel_normalize(x, mean, var).shape == shape


@pytest.mark.parametrize("correction", [0, 1, 0.5])
def test_channel_mean_var_correction(correction):
    x = draw((4, 3, 5), "float64")
    _, var = nbn.channel_mean_var(x, correction=correction)
    np.testing.assert_allclose(var, x.var((0, 2)) * 20 / (20 - correction))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30, 1e-200, 1e200])
def test_channel_normalize(dtype, scale):
    if dtype == "float32" and not 1e-37 < scale < 1e37:
        pytest.skip("beyond float32")
    x = draw((4, 3, 5), dtype) * np.array(scale, dtype)
    std = np.array([2.0, -3.0, 0.5]) * scale
    mean = [0, scale, 2 * scale]
    y = nbn.channel_normalize(x, mean, std)
    wanted = (x.astype(float) - np.reshape(mean, (3, 1))) / np.reshape(std, (3, 1))
    np.testing.assert_allclose(y, wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_channel_normalize_takes_ints_and_zero():
    x = draw((4, 3, 5))
    np.testing.assert_array_equal(nbn.channel_normalize(x, [0, 0, 0], [1, 1, 1]), x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbn.channel_normalize(x, [0, 0, 0], [1, 0, 1])


def test_import_leaves_numba_alone():
    import subprocess

    code = "import sys, numbanorm; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
