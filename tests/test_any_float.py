"""Any float32 there is, and any mixture: subnormals, infinities, NaNs with payloads, signed zeros.

All of it holds as well in a thread that another library told to flush subnormal numbers to zero, or
to round differently: `flushed` calls us from one.
"""

import contextlib
import platform

import cases
import numba
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import ir
from norm_calls import largest_dx, largest_terms
from norm_row import Case
from norms import NORMS
from numba.core import cgutils, types
from numba.extending import intrinsic

import numbanorm as nbn

MAX = float(np.finfo(np.float32).max)

# The smallest float32 above 0.
TINY = 2.0**-149

# Bit patterns: both zeros, the smallest and largest subnormal, the smallest and largest normal, 1,
# what is next to 1, infinities, and NaNs quiet and signalling, with payloads.
SPECIAL = np.array(
    [
        0x00000000, 0x80000000, 0x00000001, 0x807FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF,
        0x3F800000, 0x3F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC12345, 0x7F812345,
    ],
    np.uint32,
)  # fmt: skip
FINITE = SPECIAL[np.isfinite(SPECIAL.view(np.float32))]


@intrinsic
def _mxcsr(_, value):
    """Set the x86's floating-point modes, unless the value is negative; returns what they were."""

    def codegen(context, builder, sig, args):
        slot = cgutils.alloca_once(builder, ir.IntType(32))
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])

        def call(name):
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            builder.call(function, [builder.bitcast(slot, kind.args[0])])

        call("llvm.x86.sse.stmxcsr")
        before = builder.zext(builder.load(slot), ir.IntType(64))
        with builder.if_then(builder.icmp_signed(">=", args[0], ir.IntType(64)(0))):
            builder.store(builder.trunc(args[0], ir.IntType(32)), slot)
            call("llvm.x86.sse.ldmxcsr")
        return before

    return types.int64(types.int64), codegen


@numba.njit
def modes(value):
    return _mxcsr(value)


# Flush operands and results to zero; round towards zero.
FLUSH, TRUNCATE = 0x8040, 0x6000


@contextlib.contextmanager
def flushed(bits):
    """Set floating-point modes of this thread: they must be the same after as before."""
    if not bits:
        yield
        return
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("the modes are the x86's")
    before = modes(0x1F80 | bits)
    try:
        yield
        assert modes(-1) & 0xFFC0 == 0x1F80 | bits
    finally:
        modes(before)


MODES = pytest.mark.parametrize(
    "bits", [0, FLUSH, FLUSH | TRUNCATE], ids=["", "flushed", "truncated"]
)


def draw_values(rng, count, kind):
    """Return float32s of a kind."""
    if kind == "bits":
        return rng.integers(0, 1 << 32, count, np.uint32).view(np.float32)
    if kind == "finite bits":
        found = rng.integers(0, 1 << 32, count, np.uint32).view(np.float32)
        return np.where(np.isfinite(found), found, np.float32(0))
    if kind == "special":
        return rng.choice(SPECIAL, count).view(np.float32)
    if kind == "finite special":
        return rng.choice(FINITE, count).view(np.float32)
    if kind == "subnormal":
        signs = rng.integers(0, 2, count, np.uint32) << 31
        return (signs | rng.integers(0, 1 << 23, count, np.uint32)).view(np.float32)
    exponent = np.uint32(rng.integers(0, 255)) << 23
    signs = rng.integers(0, 2, count, np.uint32) << 31
    return (signs | exponent | rng.integers(0, 1 << 23, count, np.uint32)).view(np.float32)


KINDS = ["bits", "finite bits", "special", "finite special", "subnormal", "one exponent"]


@st.composite
def inputs(draw, name, kinds):
    """Draw a case of a norm, and for each of its statistics values of a kind of its own."""
    norm = NORMS[name]
    case = draw(norm.drawn())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    stat, _ = norm.parts(case)
    x = np.empty(stat.shape, np.float32)
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))
    drawn = np.stack([draw_values(rng, x.size, kind) for kind in chosen])
    return case, np.choose(stat.ravel() % len(chosen), drawn).reshape(x.shape), rng


def moderate(rng, shape):
    """Return weights of many magnitudes, subnormal and negative ones and both zeros among them."""
    found = rng.standard_normal(shape) * 10.0 ** rng.integers(-44, 20, shape)
    return np.where(rng.random(shape) < 0.1, -0.0, found).astype(np.float32)


def check_forward(name, case, x, rng, eps, bits):
    norm = NORMS[name]
    shape = norm.weight_shape(case)
    weight, bias = moderate(rng, shape), moderate(rng, shape)
    bias = None if name == "rms" else bias
    with flushed(bits):
        y = norm.forward(x, case, weight=weight, bias=bias, eps=eps)
    truth = norm.reference(case)
    with np.errstate(all="ignore"):
        wanted, x_hat, mean, var = truth.forward(x, weight, bias, eps)
        deviation = np.sqrt(var + eps)
    w, b = truth.weights(weight, 1), truth.weights(bias, 0)
    rows, found, wanted, x_hat, w, b = map(truth.stat.rows, (x, y, wanted, x_hat, w, b))
    finite = np.isfinite(rows).all(axis=1)
    # What one bad value spoils is its own statistic, and all of that.
    assert np.isnan(found[~finite]).all()
    # Where all are equal and eps is 0, y is 0 / 0 in the formula.
    none = deviation == 0
    np.testing.assert_array_equal(found[finite & none], b[finite & none])
    rest = finite & ~none
    assert np.isfinite(found[rest]).all()
    with np.errstate(all="ignore"):
        bound = 4 * 2.0**-23 * (np.abs(w) * (np.abs(x_hat) + 1 / 64) + np.abs(b))
        # Weights and results so small have no such precision; a weight, brought into range with the
        # reciprocal of a deviation of 1e38, two bits less.
        bound = bound + TINY * (1 + 4 * np.abs(x_hat))
        promised = rest & (np.abs(mean) <= 1e6 * deviation)
        error = np.abs(found - wanted)
    bad = promised[:, None] & ~(error <= bound)
    assert not bad.any(), (
        found[bad],
        wanted[bad],
        x_hat[bad],
        w[bad],
        b[bad],
        rows[bad.any(axis=1)],
    )


@MODES
@pytest.mark.parametrize("name", NORMS)
def test_forward(name, bits):
    @settings(max_examples=60, deadline=None)
    @given(inputs(name, KINDS), st.sampled_from([0.0, 1e-45, 1e-12, 1e-5, 1e30]))
    def check(drawn, eps):
        case, x, rng = drawn
        check_forward(name, case, x, rng, eps, bits)

    check()


@MODES
@pytest.mark.parametrize("name", NORMS)
def test_backward(name, bits):
    norm = NORMS[name]

    @settings(max_examples=40, deadline=None)
    @given(inputs(name, [*KINDS[1::2], "subnormal"]), st.sampled_from([1e-12, 1e-5, 1.0]))
    def check(drawn, eps):
        case, x, rng = drawn
        dy = rng.standard_normal(x.shape).astype(np.float32)
        dy[rng.random(x.shape) < 0.1] *= np.float32(1e-38)
        weight = rng.standard_normal(norm.weight_shape(case)).astype(np.float32)
        truth = norm.reference(case)
        with np.errstate(all="ignore"):
            _, x_hat, mean, var = truth.forward(x, eps=eps)
        # Values whose deviations are no part of a mean's last bit, and values without any.
        if not np.isfinite(x_hat).all() or (np.abs(mean) > 1e6 * np.sqrt(var + eps)).any():
            return
        wanted = truth.backward(dy, x, weight, eps)
        # In float64, as layers hold them: float32 holds the mean of subnormal numbers to 1.4e-45,
        # which may be much in units of what they differ by.
        mean, rstd = (a.reshape(norm.stats_shape(case)) for a in (mean, 1 / np.sqrt(var + eps)))
        with flushed(bits):
            found = norm.backward(dy, x, mean, rstd, case, weight)
        # Where all is subnormal, dx is a sum of terms that are rounded to 1.4e-45 each.
        largest = largest_dx(wanted[0], largest_terms(truth, dy, weight, rstd), rstd)
        assert np.abs(found[0] - wanted[0]).max() <= 1e-5 * largest + 8 * TINY
        # As do sums of a few terms, each rounded; and what differs by less than float32's smallest
        # number differs by that number, or not at all.
        rounding = 2.0**-23 * np.sqrt(x.size) * np.abs(x_hat).max() + x.size * TINY * rstd.max()
        rounding *= np.abs(dy).max()
        for got, value in zip(found[1:], wanted[1:]):
            if got is not None:
                error = np.abs(got.ravel() - value.ravel()).max()
                assert error <= max(1e-5 * np.abs(value).max(), rounding) + TINY

    check()


@MODES
@pytest.mark.parametrize("layout", cases.LAYOUTS)
def test_statistics(layout, bits):
    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def check(data):
        case, x, _ = data.draw(inputs("batch", KINDS[1::2]))
        case = Case(case.shape, layout)
        x = x.reshape(case.arranged)
        with flushed(bits):
            mean, var = nbn.channel_mean_var(x, layout=layout)
        exact, squares = reference.channel_mean_var(x, layout)
        scale = np.maximum(np.abs(exact), np.sqrt(squares))
        assert (np.abs(mean - exact) <= 1e-6 * scale + TINY).all()
        assert (var >= 0).all()
        near = np.abs(exact) <= 1e4 * np.sqrt(squares)
        assert (np.abs(var - squares)[near] <= 1e-6 * squares[near] + TINY).all()

    check()


@MODES
def test_running_statistics_of_subnormal_numbers(bits):
    """Flushed, both the old values and the batch's would be 0."""
    rng = np.random.default_rng(0)
    x = draw_values(rng, 400, "subnormal").reshape(100, 4)
    mean, var = draw_values(rng, 4, "subnormal"), np.abs(draw_values(rng, 4, "subnormal"))
    wanted = reference.by_channel(x).running(mean, var, x, 0.5)
    with flushed(bits):
        nbn.batch_norm(x, mean, var, training=True, momentum=0.5)
    for got, value in zip((mean, var), wanted):
        np.testing.assert_allclose(got, value, rtol=0, atol=1e-45)


def test_signs_of_zeros():
    """y is what the bias says where x is its mean, and zeros of both signs have one mean."""
    x = np.array([[0.0, -0.0], [-0.0, -0.0]], np.float32)
    bias = np.array([-0.0, 2.0], np.float32)
    y = nbn.batch_norm(x, None, None, None, bias, True)
    np.testing.assert_array_equal(y, [[0, 2], [0, 2]])
    mean, var = nbn.channel_mean_var(x)
    assert (mean == 0).all() and (var == 0).all() and not np.signbit(var).any()


def test_payloads_in_what_is_not_read_stay():
    """Neither x nor the parameters are written, signalling NaNs least."""
    x = np.resize(SPECIAL, (7, 14)).view(np.float32)
    weight = SPECIAL.view(np.float32).copy()
    before = x.tobytes(), weight.tobytes()
    nbn.batch_norm(x, None, None, weight, weight, True)
    nbn.layer_norm(x, 14, weight, weight)
    assert (x.tobytes(), weight.tobytes()) == before
