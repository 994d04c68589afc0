"""channel_mean_var and channel_normalize agree with float64 NumPy."""

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


def check_mean_var(x, layout, correction):
    wanted_mean, wanted_var = reference.channel_mean_var(x, layout, correction)
    mean, var = nbn.channel_mean_var(x, layout=layout, correction=correction)
    assert mean.dtype == var.dtype == np.float64
    assert mean.shape == var.shape == (cases.channels(x.shape, layout),)
    tolerance = cases.STATISTICS[x.dtype]
    # A mean near 0 is a sum that cancelled: its error is relative to what was summed.
    scale = np.maximum(np.abs(wanted_mean), np.sqrt(wanted_var))
    assert (np.abs(mean - wanted_mean) <= tolerance * scale).all()
    assert (np.abs(var - wanted_var) <= tolerance * wanted_var).all()


@pytest.mark.parametrize(("shape", "layout"), CASES)
@pytest.mark.parametrize("correction", [0, 1])
def test_mean_var(shape, layout, correction):
    check_mean_var(cases.normal(cases.arrange(shape, layout), np.float32), layout, correction)


@settings(max_examples=100, deadline=None)
@given(
    shape=cases.shapes(),
    layout=st.sampled_from(cases.LAYOUTS),
    dtype=st.sampled_from(cases.DTYPES),
    correction=st.sampled_from([0, 1]),
)
def test_mean_var_of_drawn_shapes(shape, layout, dtype, correction):
    check_mean_var(cases.normal(cases.arrange(shape, layout), dtype), layout, correction)


@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("shape", [(523, 3), (4, 17, 50, 50), (1, 5, 97, 101)], ids=str)
def test_variance_of_data_far_from_zero(shape, ratio, layout, dtype):
    """E[x^2] - E[x]^2 in float32 is off by 3e3 at a ratio of 1e4; in float64 by 1e-4 at 1e6."""
    x = cases.normal(cases.arrange(shape, layout), dtype, mean=ratio, std=1)
    wanted_mean, wanted_var = reference.channel_mean_var(x, layout)
    mean, var = nbn.channel_mean_var(x, layout=layout)
    # Each of up to 16 tiles may round once where they are merged.
    eps = cases.EPS[np.dtype(np.float64)]
    assert (np.abs(mean - wanted_mean) <= 2 * eps * np.abs(wanted_mean)).all()
    # 1e6 * eps64 * a few
    assert (np.abs(var - wanted_var) <= 1e-10 * wanted_var).all()


@pytest.mark.parametrize("layout", cases.LAYOUTS)
def test_statistics_are_good_enough_for_their_own_use(layout):
    """Statistics rounded to float32 left errors of 3.4e-3 at a mean of 1e5 deviations."""
    x = cases.normal(cases.arrange((8, 5, 40, 3), layout), np.float32, mean=1e5, std=1)
    mean, var = nbn.channel_mean_var(x, layout=layout)
    got = nbn.channel_normalize(x, mean, np.sqrt(var), layout=layout)
    truth = reference.by_channel(x, layout)
    wanted, *_ = truth.forward(x, eps=0)
    bound = truth.allowed(wanted, None, None, np.float32)
    assert (np.abs(got - wanted) <= bound).all()


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("dtype", cases.DTYPES)
@pytest.mark.parametrize("shape", [(9, 17, 7, 7), (523, 3), (8, 64, 56, 56)], ids=str)
def test_channel_normalize(shape, layout, dtype):
    shape = cases.arrange(shape, layout)
    x = cases.normal(shape, dtype)
    count = cases.channels(shape, layout)
    mean = cases.normal((count,), dtype, 3)
    std = np.abs(cases.normal((count,), dtype, 4)) + dtype(0.25)
    wanted = reference.channel_normalize(x, mean, std, layout)
    out = np.empty_like(x)
    got = nbn.channel_normalize(x, mean, std, layout=layout, out=out)
    assert got is out and got.dtype == dtype
    bound = reference.by_channel(x, layout).allowed(wanted, None, None, dtype)
    assert (np.abs(got - wanted) <= bound).all()
    assert np.array_equal(nbn.channel_normalize(x, mean, std, layout=layout, out=x), got)


def test_channel_normalize_far_from_zero():
    """x*a + b, the one-multiply form, has lost all digits here."""
    x = cases.normal((3, 5, 40), np.float32, mean=1e6, std=1)
    mean, std = np.full(5, 1e6, np.float32), np.full(5, 1.5, np.float32)
    wanted = reference.channel_normalize(x, mean, std, "NCHW")
    got = nbn.channel_normalize(x, mean, std)
    bound = reference.by_channel(x).allowed(wanted, None, None, np.float32)
    assert (np.abs(got - wanted) <= bound).all()


def test_constant_channels_have_variance_zero():
    """Sums of squares leave a few units of rounding, of either sign."""
    values = np.array([0, 0.1, 100.1, 1e7, -3e38, 1e-40, 1 / 3], np.float32)
    for layout in cases.LAYOUTS:
        for shape in [(7, 7, 5, 5), (300, 7, 3, 7), (1, 7, 97, 101)]:
            x = np.empty(cases.arrange(shape, layout), np.float32)
            x[...] = values if layout == "NHWC" else values[:, None, None]
            mean, var = nbn.channel_mean_var(x, layout=layout)
            assert np.array_equal(mean, values)
            assert (var == 0).all()
