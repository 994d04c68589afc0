"""float64 data whose squares, or sums, leave float64's range: over 1e154, and below 1e-154.

The truth is in longdouble, whose range on x86 holds squares of all float64s; or it is a fact about
powers of two, by which data may be scaled without any rounding.
"""

import cases
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from norm_calls import call, check, forward, inputs
from norms import NORMS

import numbanorm as nbn

MAX = float(np.finfo(np.float64).max)

pytestmark = pytest.mark.skipif(
    np.finfo(np.longdouble).maxexp <= 1024, reason="longdouble has no wider range here"
)

# Both sides of where a square overflows or vanishes, and the ends of the range.
MAGNITUDES = [1e-300, 1e-200, 1e-155, 1e-144, 1e153, 1e155, 1e200, 1e300, 1e307, MAX]


def cases_of(norm):
    return norm.cases(norm.shapes)


def sized(norm, case, magnitude, eps=0.0):
    """Return x whose largest element has this magnitude, and dy, weight and bias.

    dy is such that the input's gradient is in range, too.
    """
    x, dy, weight, bias = inputs(norm, case, np.float64, mean=0.5, std=1.0)
    return x / np.abs(x).max() * magnitude, dy * min(1.0, max(magnitude, eps**0.5)), weight, bias


@pytest.mark.parametrize("magnitude", MAGNITUDES)
@pytest.mark.parametrize("name", NORMS)
def test_accuracy_at_any_magnitude(name, magnitude):
    """All results; squares alone gave y = bias from 1e154 on, and NaN at 1e200."""
    norm = NORMS[name]
    for case in cases_of(norm):
        x, dy, weight, bias = sized(norm, case, magnitude)
        *_, var = norm.reference(case).statistics(x)
        if (var > 0).all():
            check(norm, case, x, dy, weight, bias, eps=0.0)
        elif norm.centred:
            check(norm, case, x, dy, weight, bias, eps=1e-5)


@pytest.mark.parametrize("magnitude", [1e-155, 1e-300, 1e155, 1e300])
@pytest.mark.parametrize("eps", [1e-320, 1e-300, 1e-5, 1e300])
@pytest.mark.parametrize("name", NORMS)
def test_eps_counts_where_it_should(name, eps, magnitude):
    """eps of the size of a variance that is out of range, or much larger or smaller."""
    norm = NORMS[name]
    for case in cases_of(norm)[3:9]:
        check(norm, case, *sized(norm, case, magnitude, eps), eps=eps)


@pytest.mark.parametrize("power", [900, -900, 1015, -990])
@pytest.mark.parametrize("name", NORMS)
def test_large_arrays_on_threads(name, power):
    """x_hat does not change when x is multiplied by a power of two, on any route of any norm."""
    norm = NORMS[name]
    before = nbn.get_num_threads()
    try:
        for case in norm.cases(norm.large):
            x, dy, weight, bias = inputs(norm, case, np.float64)
            wanted = call(norm, case, x, dy, weight, bias, 0.0)
            far = x * 2.0**power
            found = []
            for threads in (1, 2):
                nbn.set_num_threads(threads)
                found.append(call(norm, case, far, dy * 2.0 ** min(power, 0), weight, bias, 0.0))
            for a, b in zip(*found):
                assert (a is None and b is None) or np.array_equal(a, b)
            scale = 2.0 ** min(power, 0)
            factors = 1, 2.0**-power, 2.0**power, 2.0**power / scale, 1 / scale, 1 / scale
            for a, b, factor in zip(found[0], wanted, factors):
                if a is not None:
                    assert cases.relative_error(a * factor, b) <= 1e-12
            assert forward(norm, case, far, weight, bias, 0.0, out=far)[0] is far
            assert np.array_equal(far, found[0][0])
    finally:
        nbn.set_num_threads(before)


@pytest.mark.parametrize("name", NORMS)
def test_in_place(name):
    """A statistic is found again from elements that must not have been written over."""
    norm = NORMS[name]
    for case in cases_of(norm):
        x, dy, weight, bias = sized(norm, case, 1e200)
        y, mean, rstd, dx, *_ = call(norm, case, x, dy, weight, bias, 0.0)
        for over in (dy.copy(), x.copy()):
            given_arrays = (over, x) if np.array_equal(over, dy) else (dy, over)
            norm.backward(*given_arrays, mean, rstd, case, weight, out=over)
            assert np.array_equal(over, dx)
        forward(norm, case, x, weight, bias, 0.0, out=x)
        assert np.array_equal(x, y)


CONSTANTS = [0.0, -0.0, 5e-324, -1e-310, 1e-200, 1e-131, 1e131, 1e155, -1.1e200, 1.7e307, MAX, -MAX]


@pytest.mark.parametrize("value", CONSTANTS)
@pytest.mark.parametrize("name", [name for name in NORMS if NORMS[name].centred])
def test_constant_gives_exactly_bias(name, value):
    norm = NORMS[name]
    for case in cases_of(norm):
        _, _, weight, bias = inputs(norm, case, np.float64)
        x = np.full(case.arranged, value)
        for eps in (1e-5, 0.0):
            y, mean, rstd = forward(norm, case, x, weight, bias, eps)
            assert (y == norm.reference(case).weights(bias, 0)).all()
            assert (mean == value).all()
            np.testing.assert_allclose(rstd, eps**-0.5 if eps else 0, 1e-15)


def draw_values(rng, count, kind):
    """Return finite float64s of a kind."""
    if kind == "bits":
        found = rng.integers(0, 1 << 64, count, np.uint64).view(np.float64)
        return np.where(np.isfinite(found), found, 0)
    if kind == "extreme":
        return rng.choice([MAX, -MAX, 1e300, 0.0, -5e-324, 2.0**-1022, 1.0], count)
    if kind == "subnormal":
        return rng.integers(-(1 << 52), 1 << 52, count) * 2.0**-1074
    return rng.standard_normal(count) * 10.0 ** rng.integers(-305, 305)


@pytest.mark.parametrize("name", NORMS)
def test_finite_gives_finite(name):
    norm = NORMS[name]

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def run(data):
        case = data.draw(norm.drawn())
        rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
        kind = data.draw(st.sampled_from(["bits", "extreme", "subnormal", "one magnitude"]))
        x = draw_values(rng, int(np.prod(case.shape)), kind).reshape(case.arranged)
        eps = data.draw(st.sampled_from([0.0, 1e-5]))
        y, mean, _ = forward(norm, case, x, None, None, eps)
        assert np.isfinite(y).all() and np.isfinite(mean).all()
        # No value is further from the mean than that.
        stat, _ = norm.parts(case)
        most = np.sqrt(np.bincount(stat.ravel()).max())
        assert np.abs(y).max() <= most * (1 + 1e-12) + 1e-300

    run()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("magnitude", [1e-200, 1e200, MAX])
@pytest.mark.parametrize("name", NORMS)
def test_nan_and_inf_stay_in_their_statistic(name, magnitude, bad):
    norm = NORMS[name]
    for case in cases_of(norm):
        x, _, weight, bias = sized(norm, case, magnitude)
        clean = forward(norm, case, x, weight, bias)[0]
        stat, _ = norm.parts(case)
        hit = stat == int(stat.max()) // 2
        x[np.unravel_index(np.flatnonzero(hit)[-1], x.shape)] = bad
        y = forward(norm, case, x, weight, bias)[0]
        assert np.isnan(y[hit]).all()
        assert np.array_equal(y[~hit], clean[~hit])


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("magnitude", MAGNITUDES)
def test_statistics(layout, magnitude):
    """A variance is inf where float64 has no other; a mean is right always, and so is its average.

    What float64 can't hold comes as no negative number, and raises nothing.
    """
    for shape in [(2, 3), (5, 17, 7, 7), (1, 3, 97, 101), (300, 6)]:
        x = cases.normal(cases.arrange(shape, layout), np.float64, mean=0.5, std=1.0)
        x = x / np.abs(x).max() * magnitude
        wanted_mean, wanted_var = reference.channel_mean_var(x, layout, correction=1)
        with np.errstate(over="ignore", under="ignore"):
            held = wanted_var.astype(np.float64)
        with np.errstate(all="raise"):
            mean, var = nbn.channel_mean_var(x, layout=layout, correction=1)
            running = np.zeros(shape[1]), np.zeros(shape[1])
            nbn.batch_norm(x, *running, training=True, momentum=1.0, layout=layout)
        deviation = np.sqrt(wanted_var)
        for got_mean, got_var in ((mean, var), running):
            assert (
                np.abs(got_mean - wanted_mean) <= 1e-13 * (np.abs(wanted_mean) + deviation)
            ).all()
            np.testing.assert_allclose(got_var, held, 1e-13, 1e-320)


@pytest.mark.parametrize("std", [1e-310, 1e-200, 1e155, -1e200, 1e300, MAX])
def test_channel_normalize(std):
    x = cases.normal((4, 3, 50), np.float64) * min(abs(std), 1e307)
    for mean in (0.0, std / 2, 1e300 if std > 1e300 else 0.0):
        wanted = reference.channel_normalize(x, np.full(3, mean), np.full(3, std), "NCHW")
        y = nbn.channel_normalize(x, [mean] * 3, [std] * 3)
        assert cases.relative_error(y, wanted) <= 4 * 2.0**-52


@pytest.mark.parametrize("magnitude", [1e-200, 1e200])
def test_layers(magnitude):
    """A layer keeps what it normalised by for `backward`."""
    x = cases.normal((6, 8, 5, 5), np.float64)
    dy = cases.normal(x.shape, np.float64, 9)
    layers = [
        lambda eps: nbn.BatchNorm2d(8, eps=eps, dtype=np.float64),
        lambda eps: nbn.InstanceNorm2d(8, eps=eps, affine=True, dtype=np.float64),
        lambda eps: nbn.GroupNorm(2, 8, eps=eps, dtype=np.float64),
        lambda eps: nbn.LayerNorm((5, 5), eps=eps, dtype=np.float64),
        lambda eps: nbn.RMSNorm((5, 5), eps=eps, dtype=np.float64),
    ]
    for make in layers:
        near, far = make(0.0), make(0.0)
        np.testing.assert_allclose(far(x * magnitude), near(x), 1e-12, 1e-12)
        wanted = near.backward(dy)
        np.testing.assert_allclose(far.backward(dy) * magnitude, wanted, 1e-11, 1e-12)
