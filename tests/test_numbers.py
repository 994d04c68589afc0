"""The numbers the project promises (DESIGN.md 3): accuracy, constants, finiteness, containment.

Every test names what would fail it. "Naive" below is y = x*a + b with a = w*rstd, b = bias - mean*a
and var = E[x^2] - E[x]^2, in float32; "two-pass" is mean first, then (x - mean)^2, in float32.
"""

import cases
import numpy as np
import pytest
import reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

import numbanorm as nbn

LARGEST = np.finfo(np.float32).max

# Values per channel: from the fewest, over a tile of 8192 and one more, to millions.
LENGTHS = [2, 3, 49, 8192, 8193, 100_003]

# Both kernels that run along memory and across it: (samples, values per sample) of NCHW.
SPLITS = {"NCHW": (1, -1), "NCHW-short": (-1, 1), "NHWC": (-1, 1)}


def kinds(count, rng):
    """Return named rows of `count` values of mean about 0 and deviation about 1."""
    ramp = np.linspace(-1.7, 1.7, count)
    normal = rng.standard_normal(count)
    first = normal * 1e-3
    first[0] = 1e3
    huge = normal * 1e-2
    huge[count // 2] = 1e4
    return {
        "normal": normal,
        "ramp": ramp,
        "sorted": np.sort(normal),
        "outlier first": first,
        "outlier inside": huge,
        "two halves": np.where(np.arange(count) < count // 2, -1.0, 1.0),
        "alternating": np.where(np.arange(count) % 2, -1.0, 1.0),
        "half constant": np.where(np.arange(count) < count // 2, 0.0, normal),
    }


def lay(r, layout):
    """Return the rows (C, M) as an array of a layout: NCHW (1, C, M) or (M, C), NHWC (M, C)."""
    if layout == "NCHW":
        return np.ascontiguousarray(r[None])
    return np.ascontiguousarray(r.T)


def lay_of(layout):
    return "NHWC" if layout == "NHWC" else "NCHW"


def check_y(x, weight, bias, eps, layout):
    """Check y against the promise; also that the variance is finite and not negative."""
    truth = reference.by_channel(x, layout)
    wanted, x_hat, mean, var = truth.forward(x, weight, bias, eps)
    y, got_mean, rstd = nbn.batch_norm(
        x, None, None, weight, bias, True, eps=eps, layout=layout, return_stats=True
    )
    assert np.isfinite(y).all()
    error = np.abs(y - wanted)
    bound = truth.allowed(x_hat, weight, bias, np.float32)
    worst = np.unravel_index(np.argmax(error / bound), error.shape)
    assert (error <= bound).all(), (worst, y[worst], wanted[worst], (error / bound)[worst])
    scale = np.maximum(np.abs(mean), np.sqrt(var)) + 1e-45 / 1e-6
    assert (np.abs(got_mean - mean) <= 1e-6 * scale).all()
    wanted_rstd = 1 / np.sqrt(var + eps)
    held = wanted_rstd < LARGEST
    assert np.allclose(rstd[held], wanted_rstd[held], rtol=1e-6)


@pytest.mark.parametrize("layout", SPLITS)
@pytest.mark.parametrize("ratio", [0.0, 1.0, 1e2, 1e4, 1e5, 1e6])
@pytest.mark.parametrize("count", LENGTHS)
def test_accuracy_at_any_mean(count, ratio, layout):
    """Naive fails from a ratio of 1e2 on; float32 two-pass from 1e4 on, where the rounding of mean
    is no longer small beside the deviation."""
    rng = np.random.default_rng([count, int(ratio)])
    r = np.stack(list(kinds(count, rng).values())) + ratio
    r[::2] *= -1
    x = lay(r.astype(np.float32), layout)
    weight, bias = cases.affine(len(r), np.float32)
    for w, b in [(weight, bias), (None, None), (weight, None), (None, bias)]:
        check_y(x, w, b, 1e-5, lay_of(layout))


@pytest.mark.parametrize("layout", SPLITS)
@pytest.mark.parametrize("magnitude", [1e-40, 1e-38, 1e-30, 1e-19, 1e-10, 1e10, 1e19, 1e25, 1e38])
@pytest.mark.parametrize("ratio", [0.0, 1e3])
@pytest.mark.parametrize("count", [2, 49, 8193])
def test_accuracy_at_any_magnitude(count, ratio, magnitude, layout):
    """float32 squares overflow from 2e19 on and vanish below 1e-23; 1/std overflows below 3e-39."""
    rng = np.random.default_rng([count, int(ratio), abs(int(np.log10(magnitude)))])
    rows = [v for k, v in kinds(count, rng).items() if "outlier" not in k]
    r = np.stack(rows) + ratio
    r = r / np.abs(r).max() * 3 * magnitude
    x = lay(r.astype(np.float32), layout)
    weight, bias = cases.affine(len(r), np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        _, var = reference.channel_mean_var(x, lay_of(layout))
    if (var > 0).all():  # subnormals far from zero may all have become one
        check_y(x, weight, bias, 0.0, lay_of(layout))
        check_y(x, None, None, 0.0, lay_of(layout))
    check_y(x, weight, bias, 1e-5, lay_of(layout))


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("ratio", [0.0, 1e4, 1e6])
def test_accuracy_of_millions(layout, ratio):
    """Sequential float32 sums stop growing at 2**24 values' worth; so does Welford's count."""
    count = 3_000_017
    r = (np.linspace(-1.7, 1.7, count) + ratio).astype(np.float32)
    x = lay(np.stack([r, r[::-1]]), layout)
    check_y(x, None, None, 1e-5, layout)


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(2, 700),
    log_ratio=st.floats(-2, 6),
    log_std=st.floats(-25, 25),
    kind=st.sampled_from(sorted(kinds(2, np.random.default_rng(0)))),
    layout=st.sampled_from(sorted(SPLITS)),
    seed=st.integers(0, 1000),
)
def test_accuracy_of_drawn_data(count, log_ratio, log_std, kind, layout, seed):
    """Any mean, deviation, length and kind; naive fails within a few draws."""
    rng = np.random.default_rng(seed)
    row = (kinds(count, rng)[kind] + 10.0**log_ratio) * 10.0**log_std
    with np.errstate(over="ignore"):
        row = row.astype(np.float32)
    if not np.isfinite(row).all():
        return
    r = np.stack([row, row[::-1], -row])
    weight, bias = cases.affine(3, np.float32)
    eps = 1e-5 * 10.0 ** (2 * log_std)
    check_y(lay(r, layout), weight, bias, eps, lay_of(layout))


def test_accuracy_in_eval_mode():
    """Eval with running arrays far from zero: x*a + b loses log10(mean/std) digits."""
    for layout in cases.LAYOUTS:
        for shape in [(6, 5, 7, 7), (8, 48, 60, 61)]:
            arranged = cases.arrange(shape, layout)
            count = shape[1]
            for ratio in (0, 1e3, 1e6):
                x = cases.normal(arranged, np.float32, mean=ratio, std=1)
                mean = cases.normal((count,), np.float32, 3, mean=ratio, std=0.5)
                var = np.abs(cases.normal((count,), np.float32, 4)) + np.float32(0.25)
                weight, bias = cases.affine(count, np.float32)
                truth = reference.by_channel(x, layout)
                wanted, x_hat, *_ = truth.forward(x, weight, bias, given=(mean, var))
                y = nbn.batch_norm(x, mean, var, weight, bias, layout=layout)
                bound = truth.allowed(x_hat, weight, bias, np.float32)
                assert (np.abs(y - wanted) <= bound).all()


def constant_case(value, shape, layout):
    """Check that a constant array gives exactly bias, in training."""
    arranged = cases.arrange(shape, layout)
    count = shape[1]
    x = np.full(arranged, value, np.float32)
    weight, bias = cases.affine(count, np.float32)
    y, mean, rstd = nbn.batch_norm(
        x, None, None, weight, bias, True, layout=layout, return_stats=True
    )
    assert np.array_equal(y, reference.by_channel(x, layout).weights(bias, 0))
    assert (nbn.batch_norm(x, training=True, layout=layout) == 0).all()
    assert (mean == np.float32(value)).all()
    assert np.allclose(rstd, 1e-5**-0.5, rtol=1e-6)
    _, var = nbn.channel_mean_var(x, layout=layout)
    assert (var == 0).all()


CONSTANT_SHAPES = [(2, 3), (3, 5, 7, 7), (1, 3, 97, 101), (300, 17, 1, 3), (8, 48, 60, 61)]


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("value", [0.0, 0.1, 100.1, 1e7, -3e38, 1e-40, LARGEST, -0.0])
def test_constant_gives_exactly_bias(value, layout):
    """PyTorch gives |y| up to 105 for 1e7, and 8.8e-4 for 100.1."""
    for shape in CONSTANT_SHAPES:
        constant_case(value, shape, layout)


@settings(max_examples=150, deadline=None)
@given(
    value=st.floats(width=32, allow_nan=False, allow_infinity=False),
    shape=st.sampled_from(CONSTANT_SHAPES[:-1]),
    layout=st.sampled_from(cases.LAYOUTS),
)
def test_any_constant_gives_exactly_bias(value, shape, layout):
    """float32 sums of a constant round; so does its square: E[x^2] - E[x]^2 is not 0."""
    constant_case(value, shape, layout)


@settings(max_examples=150, deadline=None)
@given(
    value=st.floats(width=32, allow_nan=False, allow_infinity=False),
    other=st.floats(width=32, allow_nan=False, allow_infinity=False),
    count=st.integers(2, 600),
    layout=st.sampled_from(cases.LAYOUTS),
)
@example(value=float(LARGEST), other=-float(LARGEST), count=100, layout="NCHW")
@example(value=float(LARGEST), other=float(LARGEST), count=600, layout="NHWC")
def test_any_two_values_give_finite_results(value, other, count, layout):
    """All of one value but one: E[x^2] - E[x]^2 is negative in turn, and inf from 1e19 on."""
    row = np.full(count, value, np.float32)
    row[-1] = other
    x = lay(np.stack([row, row[::-1]]), layout)
    mean, var = nbn.channel_mean_var(x, layout=layout)
    # var itself may be more than float32 holds; y may not.
    assert np.isfinite(mean).all() and (var >= 0).all()
    y = nbn.batch_norm(x, training=True, layout=layout)
    assert np.isfinite(y).all()
    truth = reference.by_channel(x, layout)
    wanted, x_hat, mean, var = truth.forward(x)
    if (np.abs(mean) <= 1e6 * np.sqrt(var + 1e-5)).all():
        assert (np.abs(y - wanted) <= truth.allowed(x_hat, None, None, np.float32)).all()


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize(
    "shape", [(4, 6, 7, 7), (300, 6), (1, 6, 97, 101), (8, 66, 60, 61)], ids=str
)
def test_finite_up_to_the_largest_float32(shape, layout):
    """x - mean overflows float32 where x and mean are of opposite signs."""
    rng = np.random.default_rng(0)
    x = rng.choice(np.array([-LARGEST, LARGEST, 1e30, 0], np.float32), cases.arrange(shape, layout))
    check_y(x, None, None, 1e-5, layout)
    check_y(x, *cases.affine(shape[1], np.float32), 1e-5, layout)


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(
    "shape", [(5, 17, 7, 7), (523, 3), (2, 33, 97, 101), (8, 66, 60, 61)], ids=str
)
def test_nan_stays_in_its_channel(shape, layout, bad, training):
    """A masked tail that multiplies by 0, or rows folded into one vector and summed, spread it."""
    arranged, count = cases.arrange(shape, layout), shape[1]
    x, dy = cases.normal(arranged, np.float32), cases.normal(arranged, np.float32, 9)
    weight, bias = cases.affine(count, np.float32)

    def run(x, dy):
        mean, var = np.zeros(count, np.float32), np.ones(count, np.float32)
        y, m, r = nbn.batch_norm(
            x, mean, var, weight, bias, training, layout=layout, return_stats=True
        )
        # The statistics are the clean ones, so that only sums of dy and x can spread the NaN.
        dx, dw, db = nbn.batch_norm_backward(dy, x, m, r, weight, training, layout=layout)
        return [
            np.moveaxis(a, 1 if layout == "NCHW" else -1, 0) if a.ndim > 1 else a
            for a in (y, m, r, mean, var, dx, dw, db)
        ]

    clean = run(x, dy)
    for channel in (0, count // 2, count - 1):
        spoilt = x.copy()
        where = np.moveaxis(spoilt, 1 if layout == "NCHW" else -1, 0)[channel]
        where[(-1,) * where.ndim] = bad
        others = np.arange(count) != channel
        got = run(spoilt, dy)
        for a, b in zip(got, clean, strict=True):
            assert np.array_equal(a[others], b[others])
        if training:
            assert np.isnan(got[0][channel]).all()
            assert not np.isfinite(got[3][channel])
        else:
            assert (~np.isfinite(got[0][channel])).sum() == 1
    spoilt = dy.copy()
    where = np.moveaxis(spoilt, 1 if layout == "NCHW" else -1, 0)[0]
    where[(0,) * where.ndim] = bad
    for a, b in zip(run(x, spoilt), clean, strict=True):
        assert np.array_equal(a[1:], b[1:])


@pytest.mark.parametrize("layout", SPLITS)
@pytest.mark.parametrize("ratio", [0.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("count", [49, 8193, 100_003])
def test_gradients_at_any_mean(count, ratio, layout):
    """mean as return_stats gives it is rounded to float32: at a ratio of 1e6 it is up to 1/32 of a
    deviation off, and x_hat with it, unless the backward pass takes the rest from x again."""
    rng = np.random.default_rng([count, int(ratio)])
    rows = {k: v for k, v in kinds(count, rng).items() if "outlier" not in k}
    r = np.stack(list(rows.values())) + ratio
    x = lay(r.astype(np.float32), layout)
    dy = lay(rng.standard_normal(r.shape).astype(np.float32), layout)
    weight, bias = cases.affine(len(r), np.float32)
    of = lay_of(layout)
    for w in (weight, None):
        wanted = reference.by_channel(x, of).backward(dy, x, w)
        _, mean, rstd = nbn.batch_norm(x, None, None, w, bias, True, layout=of, return_stats=True)
        got = nbn.batch_norm_backward(dy, x, mean, rstd, w, layout=of)
        for name, a, b in zip(("dx", "dweight", "dbias"), got, wanted, strict=True):
            assert cases.relative_error(a, b) <= 1e-5, name


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("std", [1e-30, 1e-15, 1e15, 1e30])
def test_gradients_at_any_magnitude(layout, std):
    """rstd**2 and (x - mean)**2 leave float32's range; x_hat does not."""
    arranged = cases.arrange((4, 17, 9, 9), layout)
    x = cases.normal(arranged, np.float32, mean=3 * std, std=std)
    # dy of x's size, so that dx = rstd * dy is within range.
    dy = cases.normal(arranged, np.float32, 9, mean=0, std=max(1e-10, min(std, 1e10)))
    weight, _ = cases.affine(17, np.float32)
    wanted = reference.by_channel(x, layout).backward(dy, x, weight, 0.0)
    _, mean, rstd = nbn.batch_norm(
        x, None, None, weight, None, True, eps=0.0, layout=layout, return_stats=True
    )
    got = nbn.batch_norm_backward(dy, x, mean, rstd, weight, layout=layout)
    for a, b in zip(got, wanted, strict=True):
        assert cases.relative_error(a, b) <= 1e-5


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("ratio", [0.0, 1e4, 1e6])
def test_float64_at_any_mean(layout, ratio):
    """float64 has no wider type to hide in: its own rounding of the mean must be made good too."""
    for shape in [(5, 17, 7, 7), (1, 3, 97, 101), (523, 3)]:
        x = cases.normal(cases.arrange(shape, layout), np.float64, mean=ratio, std=1)
        dy = cases.normal(x.shape, np.float64, 9)
        weight, bias = cases.affine(shape[1], np.float64)
        truth = reference.by_channel(x, layout)
        wanted = truth.forward(x, weight, bias)[0]
        y, mean, rstd = nbn.batch_norm(
            x, None, None, weight, bias, True, layout=layout, return_stats=True
        )
        # eps64 * ratio is how far the mean, rounded, is off in deviations; x_hat is up to 5.
        tolerance = 1e-14 + 4 * 2.0**-52 * ratio
        assert cases.relative_error(y, wanted) <= tolerance
        gradients = truth.backward(dy, x, weight)
        got = nbn.batch_norm_backward(dy, x, mean, rstd, weight, layout=layout)
        for a, b in zip(got, gradients, strict=True):
            assert cases.relative_error(a, b) <= 1e-12 + 4 * tolerance
