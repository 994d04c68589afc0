"""float16 and bfloat16 in every norm: what float32 gives, to the last bit, rounded once."""

import cases
import numpy as np
import pytest
from norm_calls import forward, inputs, same
from norm_row import Case
from norms import INFERENCE, NORMS
from streams import NONE, streamed_from
from test_any_float import FLUSH, TRUNCATE, flushed
from test_streaming import check_norm

import numbanorm as nbn
from numbanorm.plan.tuning import FEW_VALUES

KINDS = pytest.mark.parametrize("kind", cases.SIXTEEN)
LAYOUTS = pytest.mark.parametrize("layout", cases.LAYOUTS)

ROWS = [*NORMS.values(), INFERENCE]
CASES = [
    pytest.param(norm, case, id=f"{type(norm).__name__}-{case}")
    for norm in ROWS
    for case in norm.cases(norm.shapes)[::2] + norm.cases(norm.large)
]
# A case for each norm, of a size that one thread works on.
SOME = [
    pytest.param(norm, case, id=f"{type(norm).__name__}-{case}")
    for norm in ROWS
    for case in [next(one for one in norm.cases(norm.shapes) if np.prod(one.shape) > 300)]
]

# The distance from 1 to the next number, and from 0.
UNITS = {"float16": (2.0**-10, 2.0**-24), "bfloat16": (2.0**-7, 2.0**-133)}


@pytest.fixture(autouse=True)
def restored_threads():
    before = nbn.get_num_threads()
    yield
    nbn.set_num_threads(before)


def half_unit(values, dtype):
    """Return how far numbers may be moved by rounding them to 16 bits."""
    eps, least = UNITS[dtype.name]
    exponent = np.frexp(np.abs(np.asarray(values, np.float64)))[1] - 1
    return np.maximum(np.ldexp(eps, exponent), least) / 2


def rounded(values, dtype):
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def drawn(norm, case, dtype):
    """Return x and dy of 16 bits, weight and bias of float32."""
    x, dy, weight, bias = inputs(norm, case)
    return x.astype(dtype), dy.astype(dtype), weight, bias


def known(norm, case, dtype):
    """Return the running statistics of 16 bits that inference is given, in float32."""
    given = norm.given(case, dtype)
    if given is None:
        return {}
    return dict(zip(("running_mean", "running_var"), (a.astype(np.float32) for a in given)))


def check_as_float32(norm, case, x, dy, weight, bias):
    """Compare all that is computed with what comes of the same numbers in float32."""
    wide = [a if a is None else a.astype(np.float32) for a in (x, dy, weight, bias)]
    y, mean, rstd = forward(norm, case, x, weight, bias)
    dx, *gradients = norm.backward(dy, x, mean, rstd, case, weight)
    more = known(norm, case, x.dtype)
    wanted, *statistics = forward(norm, case, wide[0], *wide[2:], **more)
    assert y.shape == x.shape and y.dtype == dx.dtype == x.dtype
    assert np.array_equal(y, rounded(wanted, x.dtype), equal_nan=True)
    for got, right in zip((mean, rstd), statistics):
        assert got.dtype == np.float64 and np.array_equal(got, right, equal_nan=True)
    wanted, *parameters = norm.backward(wide[1], wide[0], mean, rstd, case, wide[2])
    if x.size // max(1, mean.size) < FEW_VALUES:
        # Those come from float64; in float32 they are rounded before.
        number = np.isfinite(wanted)
        error = np.abs(dx.astype(np.float64) - wanted)[number]
        assert (error <= half_unit(wanted, x.dtype)[number] * 1.0001).all()
        assert np.array_equal(np.isnan(dx), np.isnan(wanted))
    else:
        assert np.array_equal(dx, rounded(wanted, x.dtype), equal_nan=True)
    for got, right in zip(gradients, parameters):
        assert right is None or got.dtype == np.float32
        assert right is None or np.array_equal(got, right, equal_nan=True)


@KINDS
@pytest.mark.parametrize(("norm", "case"), CASES)
def test_float32_rounded_once(norm, case, kind):
    check_as_float32(norm, case, *drawn(norm, case, cases.dtype_of(kind)))


@KINDS
@pytest.mark.parametrize("bits", [0, FLUSH, FLUSH | TRUNCATE], ids=["", "flushed", "truncated"])
@pytest.mark.parametrize(("norm", "case"), SOME)
def test_any_bits(norm, case, kind, bits):
    """Subnormals, infinities, NaNs; and in threads that round otherwise."""
    dtype = cases.dtype_of(kind)
    _, _, weight, bias = inputs(norm, case)
    patterns = np.random.default_rng(1).integers(0, 1 << 16, (2, *case.arranged), np.uint16)
    with np.errstate(invalid="ignore"), flushed(bits):
        # Any, finite, subnormal.
        for mask in (0xFFFF, 0xBFFF, 0x803F):
            x, dy = (patterns & np.uint16(mask)).view(dtype)
            check_as_float32(norm, case, x, dy, weight, bias)


@KINDS
@pytest.mark.parametrize(("norm", "case"), SOME)
def test_against_float64(norm, case, kind):
    """Within half a unit of what a float32 result may be."""
    dtype = cases.dtype_of(kind)
    x, dy, weight, bias = drawn(norm, case, dtype)
    wide = x.astype(np.float32), dy.astype(np.float32)
    truth, given = norm.reference(case), list(known(norm, case, dtype).values()) or None
    wanted, x_hat, mean, var = truth.forward(wide[0], weight, bias, given=given)
    y, got_mean, rstd = forward(norm, case, x, weight, bias)
    allowed = truth.allowed(x_hat, weight, bias, np.float32)
    error = np.abs(y.astype(np.float64) - wanted)
    assert (error <= allowed + half_unit(np.abs(wanted) + allowed, dtype)).all()
    assert (error > allowed).any(), "16 bits can't be that exact"
    np.testing.assert_allclose(got_mean.ravel(), mean, 1e-10, 1e-10)
    np.testing.assert_allclose(rstd.ravel(), 1 / np.sqrt(var + 1e-5), 1e-10)
    found = norm.backward(dy, x, got_mean, rstd, case, weight)
    wanted = truth.backward(wide[1], wide[0], weight, given=given)
    allowed = 1e-5 * np.abs(wanted[0]).max()
    error = np.abs(found[0].astype(np.float64) - wanted[0])
    assert (error <= allowed + half_unit(np.abs(wanted[0]) + allowed, dtype)).all()
    for got, right in zip(found[1:], wanted[1:]):
        if got is not None:
            assert np.abs(got.ravel() - right).max() <= 1e-5 * np.abs(right).max()


@KINDS
@pytest.mark.parametrize(("norm", "case"), SOME)
def test_parameters_of_either_type(norm, case, kind):
    dtype = cases.dtype_of(kind)
    x, dy, *given = drawn(norm, case, dtype)
    short = [a if a is None else a.astype(dtype) for a in given]
    wide = [a if a is None else a.astype(np.float32) for a in short]
    wanted = forward(norm, case, x, *wide)
    for weight, bias in (short, (short[0], wide[1]), (wide[0], short[1])):
        found = forward(norm, case, x, weight, bias)
        assert same(found, wanted)
        gradients = norm.backward(dy, x, *found[1:], case, weight)
        assert same(gradients, norm.backward(dy, x, *found[1:], case, wide[0]))
        assert all(a is None or a.dtype == np.float32 for a in gradients[1:])


@KINDS
@pytest.mark.parametrize(("norm", "case"), SOME)
def test_results_go_anywhere(norm, case, kind):
    """Beside x, over it, over dy, and into strided or swapped memory."""
    x, dy, weight, bias = drawn(norm, case, cases.dtype_of(kind))
    y, mean, rstd = forward(norm, case, x, weight, bias)
    dx = norm.backward(dy, x, mean, rstd, case, weight)[0]
    room = np.zeros((2, *x.shape, 2), x.dtype)
    orders = x.copy(), np.empty_like(x), room[..., 0][0], misaligned(x)
    for out in orders:
        assert norm.forward(x, case, weight, bias, out=out) is out and same([out], [y])
        assert norm.backward(dy, x, mean, rstd, case, weight, out=out)[0] is out
        assert same([out], [dx])
    assert not room[..., 1].any()
    for over in range(2):
        given = [dy.copy(), x.copy()]
        out = given[over]
        assert norm.backward(*given, mean, rstd, case, weight, out=out)[0] is out
        assert same([out], [dx])
    own = x.copy()
    assert norm.forward(own, case, weight, bias, out=own) is own and same([own], [y])
    strided = np.repeat(x, 2, axis=-1)[..., ::2]
    assert same([norm.forward(strided, case, weight, bias)], [y])
    if kind == "float16":
        swapped = x.astype(">f2")
        assert same([norm.forward(swapped, case, weight, bias)], [y])
        out = np.zeros_like(swapped)
        assert norm.forward(x, case, weight, bias, out=out) is out
        assert same([out.astype(x.dtype)], [y])


def misaligned(x):
    """Return an array like x whose elements stand at odd addresses."""
    memory = np.zeros(x.nbytes + 1, np.uint8)
    return memory[1:].view(x.dtype).reshape(x.shape)


@KINDS
def test_channels_last(kind):
    """A view of NHWC memory keeps its strides, and is not copied."""
    x = cases.normal((3, 4, 5, 70), cases.dtype_of(kind))
    view, weight = x.transpose(0, 3, 1, 2), cases.normal((70,), np.float32)
    y, mean, rstd = nbn.batch_norm(view, weight=weight, training=True, return_stats=True)
    wanted = nbn.batch_norm(x, weight=weight, training=True, layout="NHWC")
    assert y.strides == view.strides and same([y.transpose(0, 2, 3, 1)], [wanted])
    dx = nbn.batch_norm_backward(view, view, mean, rstd)[0]
    wanted = nbn.batch_norm_backward(x, x, mean, rstd, layout="NHWC")[0]
    assert dx.strides == view.strides and same([dx.transpose(0, 2, 3, 1)], [wanted])


@KINDS
@pytest.mark.parametrize("norm", ROWS, ids=lambda norm: type(norm).__name__)
def test_streams_and_threads(norm, kind):
    """No bit depends on them."""
    case = norm.cases(norm.large)[0]
    x, dy, weight, bias = drawn(norm, case, cases.dtype_of(kind))
    found = []
    for threads, least in ((1, NONE), (2, NONE), (1, 1 << 16), (2, 1 << 16)):
        nbn.set_num_threads(threads)
        with streamed_from(least):
            y, mean, rstd = forward(norm, case, x, weight, bias)
            found.append((y, mean, rstd, *norm.backward(dy, x, mean, rstd, case, weight)))
    assert all(same(one, found[0]) for one in found)


@KINDS
@LAYOUTS
@pytest.mark.parametrize("offsets", [(0, 1), (16, 31), (7, 24)], ids=str)
def test_lines_are_streamed_whole(kind, layout, offsets):
    for norm in (NORMS["batch"], INFERENCE):
        with streamed_from(1 << 16):
            check_norm(norm, Case((5, 7, 9001), layout), cases.dtype_of(kind), offsets)
