"""batch_norm and batch_norm_backward agree with float64 NumPy and with PyTorch."""

import cases
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import numbanorm as nbn

CASES = [
    pytest.param(shape, layout, id=f"{layout}-{'x'.join(map(str, shape))}")
    for shape in cases.SMALL + cases.LARGE
    for layout in cases.LAYOUTS
]


def running_arrays(count, dtype):
    """Return a running mean and variance of some earlier batches."""
    return cases.normal((count,), dtype, 3), np.abs(cases.normal((count,), dtype, 4)) + dtype(0.25)


def check_forward(x, weight, bias, layout, training, eps=1e-5, out=None):
    """Compare y, the saved and the running statistics with the reference."""
    dtype, count = x.dtype.type, cases.channels(x.shape, layout)
    mean, var = running_arrays(count, dtype)
    given_arrays = {} if training else {"mean": mean.copy(), "var": var.copy()}
    wanted, x_hat, batch_mean, batch_var = reference.batch_norm(
        x, weight, bias, eps, layout, **given_arrays
    )
    updated = reference.running(mean, var, x, layout, 0.3) if training else (mean, var)
    updated = [np.array(a) for a in updated]
    kept = x.copy()
    y, saved_mean, rstd = nbn.batch_norm(
        x, mean, var, weight, bias, training, 0.3, eps, layout=layout, return_stats=True, out=out
    )
    assert out is None or y is out
    assert y.shape == x.shape and y.dtype == x.dtype
    error = np.abs(y - wanted)
    bound = cases.error_bound(wanted, x_hat, weight, bias, layout, dtype)
    if dtype is np.float64:
        # No promise for float64, whose sums have no wider type: the mean's rounding shows in units
        # of the deviation, also where x_hat is 0.
        ratio = float((np.abs(batch_mean) / np.sqrt(batch_var + eps)).max())
        largest = 1 if weight is None else np.abs(weight).max()
        bound = (bound + 4 * cases.EPS[x.dtype] * largest) * (16 + 16 * ratio)
    assert (error <= bound).all(), float((error / bound).max())
    if out is not x:
        assert np.array_equal(x, kept)
    found, updates = cases.STATISTICS[x.dtype], cases.RUNNING[x.dtype]
    for got, want, kind, tolerance in [
        (saved_mean, batch_mean, np.float64, found),
        (rstd, 1 / np.sqrt(batch_var + batch_var.dtype.type(eps)), np.float64, found),
        (mean, updated[0], dtype, updates),
        (var, updated[1], dtype, updates),
    ]:
        assert got.shape == (count,) and got.dtype == kind
        np.testing.assert_allclose(got, want.astype(np.float64), tolerance, tolerance * 0.1)
    return saved_mean, rstd


def check_backward(dy, x, mean, rstd, weight, layout, training, eps=1e-5):
    """Compare the gradients with the reference's, for statistics as `batch_norm` returned them."""
    given_arrays = {}
    if not training:
        given_arrays["mean"], given_arrays["var"] = running_arrays(len(mean), x.dtype.type)
    wanted = reference.batch_norm_backward(dy, x, weight, eps, layout, **given_arrays)
    got = nbn.batch_norm_backward(dy, x, mean, rstd, weight, training, layout=layout)
    tolerance = cases.GRADIENT[x.dtype]
    assert all(g.dtype == x.dtype for g in got)
    assert got[0].shape == x.shape and got[1].shape == got[2].shape == mean.shape
    error = cases.relative_error(got[0], wanted[0])
    if x.dtype == np.float64 or not training:
        error = cases.gradient_error(got[0], wanted[0], dy, rstd, weight, layout)
    assert error <= tolerance
    # Of one or few channels the sums may all cancel by chance; they are then compared with what
    # sums of so many such terms usually come to, sqrt(n) times one.
    usual = np.abs(dy).mean() * np.sqrt(dy.size / len(mean))
    for a, b in zip(got[1:], wanted[1:], strict=True):
        assert np.abs(a - b).max() <= tolerance * max(np.abs(b).max(), usual)
    return got


@pytest.mark.parametrize(("shape", "layout"), CASES)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_float32_of_every_shape(shape, layout, training):
    shape = cases.arrange(shape, layout)
    x, dy = cases.normal(shape, np.float32), cases.normal(shape, np.float32, 9)
    weight, bias = cases.affine(cases.channels(shape, layout), np.float32)
    mean, rstd = check_forward(x, weight, bias, layout, training)
    check_backward(dy, x, mean, rstd, weight, layout, training)


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    "shape",
    [
        (2, 1),
        (9, 17, 7, 7),
        (1, 3, 97, 101),
        (11, 511, 1, 1),
        (1031, 256),
        (4, 3, 150, 151),
        (32, 1024, 7, 7),  # above 4 MiB
    ],
    ids=str,
)
def test_float64(shape, layout, training):
    shape = cases.arrange(shape, layout)
    x, dy = cases.normal(shape, np.float64), cases.normal(shape, np.float64, 9)
    weight, bias = cases.affine(cases.channels(shape, layout), np.float64)
    mean, rstd = check_forward(x, weight, bias, layout, training)
    check_backward(dy, x, mean, rstd, weight, layout, training)


@settings(max_examples=150, deadline=None)
@given(
    shape=cases.shapes(),
    layout=st.sampled_from(cases.LAYOUTS),
    dtype=st.sampled_from(cases.DTYPES),
    training=st.booleans(),
    which=st.sampled_from(["both", "weight", "bias", "neither"]),
    seed=st.integers(0, 5),
)
def test_drawn_shapes(shape, layout, dtype, training, which, seed):
    shape = cases.arrange(shape, layout)
    x, dy = cases.normal(shape, dtype, seed), cases.normal(shape, dtype, seed + 9)
    weight, bias = cases.affine(cases.channels(shape, layout), dtype, which)
    mean, rstd = check_forward(x, weight, bias, layout, training)
    check_backward(dy, x, mean, rstd, weight, layout, training)


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("shape", [(5, 17, 7, 7), (8, 48, 60, 61)], ids=["small", "streamed"])
@pytest.mark.parametrize(("x_offset", "y_offset"), [(0, 4), (1, 1), (3, 8), (15, 2)])
def test_alignment_does_not_matter(shape, layout, x_offset, y_offset):
    """Streaming stores want 64 bytes: y starts between two such boundaries, and x elsewhere."""
    shape = cases.arrange(shape, layout)
    plain = cases.normal(shape, np.float32)
    x = cases.misaligned(plain, x_offset)
    weight, bias = cases.affine(cases.channels(shape, layout), np.float32)
    for training in (True, False):
        mean, var = running_arrays(cases.channels(shape, layout), np.float32)
        buffer = np.full(x.size + 64, 7, np.float32)
        out = buffer[16 + y_offset : 16 + y_offset + x.size].reshape(shape)
        got = nbn.batch_norm(
            x, mean.copy(), var.copy(), weight, bias, training, layout=layout, out=out
        )
        wanted = nbn.batch_norm(
            plain, mean.copy(), var.copy(), weight, bias, training, layout=layout
        )
        assert got is out and np.array_equal(got, wanted)
        assert (buffer[: 16 + y_offset] == 7).all()
        assert (buffer[16 + y_offset + x.size :] == 7).all()
        check_forward(x, weight, bias, layout, training, out=out)
        dy = cases.misaligned(cases.normal(shape, np.float32, 9), y_offset)
        _, mean, rstd = nbn.batch_norm(
            x, mean, var, weight, bias, training, layout=layout, return_stats=True
        )
        buffer[...] = 7
        aligned = nbn.batch_norm_backward(dy, x, mean, rstd, weight, training, layout=layout)
        nbn.batch_norm_backward(dy, x, mean, rstd, weight, training, layout=layout, out=out)
        assert np.array_equal(out, aligned[0])
        assert (buffer[: 16 + y_offset] == 7).all()
        assert (buffer[16 + y_offset + x.size :] == 7).all()


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("shape", [(5, 17, 7, 7), (1, 3, 97, 101), (8, 64, 56, 56)], ids=str)
def test_in_place(shape, layout, training):
    """Kernels that write y before they have read all they need of x would fail here."""
    shape = cases.arrange(shape, layout)
    x = cases.normal(shape, np.float32)
    weight, bias = cases.affine(cases.channels(shape, layout), np.float32)
    mean, var = running_arrays(cases.channels(shape, layout), np.float32)
    wanted, m, r = nbn.batch_norm(
        x, mean.copy(), var.copy(), weight, bias, training, layout=layout, return_stats=True
    )
    dy = cases.normal(shape, np.float32, 9)
    gradients = nbn.batch_norm_backward(dy, x, m, r, weight, training, layout=layout)
    same = nbn.batch_norm_backward(dy, x, m, r, weight, training, layout=layout, out=dy)
    assert same[0] is dy
    for a, b in zip(same, gradients, strict=True):
        assert np.array_equal(a, b)
    y = nbn.batch_norm(x, mean, var, weight, bias, training, layout=layout, out=x)
    assert y is x and np.array_equal(y, wanted)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("shape", [(5, 7, 3, 17), (2, 5, 3), (2, 3, 4, 5, 6)], ids=str)
def test_channels_last_view_keeps_its_strides(shape, training):
    nhwc = cases.normal(shape, np.float32)
    x = np.moveaxis(nhwc, -1, 1)
    count = shape[-1]
    weight, bias = cases.affine(count, np.float32)
    mean, var = running_arrays(count, np.float32)
    y, m, r = nbn.batch_norm(x, mean.copy(), var.copy(), weight, bias, training, return_stats=True)
    wanted = nbn.batch_norm(nhwc, mean, var, weight, bias, training, layout="NHWC")
    assert y.strides == x.strides
    assert np.array_equal(np.moveaxis(y, 1, -1), wanted)
    dy = np.moveaxis(cases.normal(shape, np.float32, 9), -1, 1)
    dx, dweight, dbias = nbn.batch_norm_backward(dy, x, m, r, weight, training)
    assert dx.strides == x.strides
    wanted = nbn.batch_norm_backward(
        np.moveaxis(dy, 1, -1), nhwc, m, r, weight, training, layout="NHWC"
    )
    assert np.array_equal(np.moveaxis(dx, 1, -1), wanted[0])
    assert np.array_equal(dweight, wanted[1]) and np.array_equal(dbias, wanted[2])


@pytest.mark.parametrize("layout", cases.LAYOUTS)
def test_any_strides(layout):
    """Reversed, stepped, transposed and broadcast inputs: reading x.ravel's memory would fail."""
    whole = cases.normal((6, 10, 8, 14), np.float32)
    for x in (
        whole[::-1, :, ::-1],
        whole[::2, ::2, 1::3, ::7],
        whole.T,
        whole.transpose(2, 0, 3, 1),
        np.broadcast_to(whole[:, :, :1], whole.shape),
        np.asfortranarray(whole),
    ):
        weight, bias = cases.affine(cases.channels(x.shape, layout), np.float32)
        mean, rstd = check_forward(x, weight, bias, layout, True)
        dy = cases.normal(x.shape, np.float32, 9)
        check_backward(dy, x, mean, rstd, weight, layout, True)
        check_backward(dy.T.copy().T, x, mean, rstd, weight, layout, True)
        out = np.zeros(tuple(2 * s for s in x.shape), np.float32)[tuple([slice(None, None, 2)] * 4)]
        check_forward(x, weight, bias, layout, True, out=out)


@pytest.mark.peers
@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("which", ["both", "weight", "bias", "neither"])
@pytest.mark.parametrize("shape", [(9, 17, 7, 7), (523, 3), (2, 3, 4, 5, 6)], ids=str)
def test_agrees_with_pytorch(shape, layout, dtype, training, which):
    torch = pytest.importorskip("torch")
    shape = cases.arrange(shape, layout)
    count = cases.channels(shape, layout)
    x, dy = cases.normal(shape, dtype), cases.normal(shape, dtype, 9)
    weight, bias = cases.affine(count, dtype, which)
    mean, var = running_arrays(count, dtype)

    def to_torch(a):
        a = np.moveaxis(a, -1, 1) if layout == "NHWC" and a.ndim > 1 else a
        return torch.from_numpy(a.copy())

    tx = to_torch(x).requires_grad_()
    tw = None if weight is None else to_torch(weight).requires_grad_()
    tb = None if bias is None else to_torch(bias).requires_grad_()
    t_mean, t_var = to_torch(mean), to_torch(var)
    ty = torch.nn.functional.batch_norm(tx, t_mean, t_var, tw, tb, training, 0.1, 1e-3)
    ty.backward(to_torch(dy))

    y, m, r = nbn.batch_norm(
        x, mean, var, weight, bias, training, 0.1, 1e-3, layout=layout, return_stats=True
    )
    dx, dweight, dbias = nbn.batch_norm_backward(dy, x, m, r, weight, training, layout=layout)
    pairs = [(y, ty), (mean, t_mean), (var, t_var), (dx, tx.grad)]
    pairs += [] if tw is None else [(dweight, tw.grad)]
    pairs += [] if tb is None else [(dbias, tb.grad)]
    for ours, theirs in pairs:
        wanted = theirs.detach().numpy()
        if layout == "NHWC" and wanted.ndim > 1:
            wanted = np.moveaxis(wanted, 1, -1)
        assert cases.relative_error(ours, wanted) <= cases.TORCH[np.dtype(dtype)]


@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
def test_momentum(momentum):
    x = cases.normal((4, 3, 5), np.float32)
    mean, var = running_arrays(3, np.float32)
    wanted = reference.running(mean, var, x, "NCHW", momentum)
    nbn.batch_norm(x, mean, var, training=True, momentum=momentum)
    np.testing.assert_allclose(mean, wanted[0], 1e-6)
    np.testing.assert_allclose(var, wanted[1], 1e-6)


@pytest.mark.parametrize("layout", cases.LAYOUTS)
def test_readonly_input(layout):
    x = cases.normal((4, 3, 5, 3), np.float32)
    wanted = nbn.batch_norm(x, training=True, layout=layout)
    x.flags.writeable = False
    assert np.array_equal(nbn.batch_norm(x, training=True, layout=layout), wanted)
