"""Moments from C have Python's bits, of integers too but for the last ones of variances."""

import numpy as np
import pictures
import pytest
from c_moments import State
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import BFLOAT16, same

from numbanorm import Moments

INTEGERS = [np.uint8, np.uint16, np.int16]
FLOATS = [np.float16, BFLOAT16, np.float32, np.float64]


def ulps(got, want):
    """Return how many of its last digit's units a result is off, at most."""
    return np.where(got == want, 0, np.abs(got - want) / np.spacing(np.abs(want))).max()


def check(state, wanted):
    assert state.moments == wanted
    integers, floats = state.count.tolist()
    for correction in (0, 1, -0.5):
        mean, var = state.found(correction)
        if not integers:
            assert same(mean, wanted.mean) and same(var, wanted.var(correction))
        elif not floats:
            assert ulps(mean, wanted.mean) <= 1 and ulps(var, wanted.var(correction)) <= 2
        else:
            var = np.abs(var - wanted.var(correction)) / wanted.var(correction)
            scale = np.maximum(np.abs(wanted.mean), wanted.std())
            assert (np.abs(mean - wanted.mean) <= 1e-15 * scale).all() and (var <= 1e-14).all()
    assert state.guarded()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", INTEGERS + FLOATS, ids=str)
def test_update(c_way, dtype, layout):
    """One after another, from arrays that are not initialised; the last is for threads."""
    for channels in (1, 3, 67):
        state, wanted = State(c_way, channels), Moments()
        for n, spatial in ((1, 2), (3, 50), (5, 1), (2, 150_001 // channels)):
            shape = (n, channels, spatial) if layout == "NCHW" else (n, spatial, channels)
            x = pictures.pixels(shape, dtype, n)
            assert state.update(x, layout) == 0
            check(state, wanted.update(x, layout=layout))


def test_merge(c_way):
    """Of integers, floats and both, in any order."""
    parts = [pictures.pixels((n, 3), kind) for n, kind in enumerate(INTEGERS + FLOATS, 2)]
    several = [Moments.of(part) for part in [*parts, np.empty((0, 3))]]
    several.append(Moments.of(parts[0]).update(parts[-1]))
    for first in several:
        for second in several:
            state, wanted = State(c_way, 3).hold(first), Moments.merged([first, second])
            other = State(c_way, 3).hold(second)
            before = other.bytes()
            assert state.merge(other) == 0
            assert state.moments == wanted and state.guarded() and other.bytes() == before
            if wanted.count[0] > 1:
                check(state, wanted)
    state, wanted = State(c_way, 3), Moments()
    for one in several:
        other = State(c_way, 3)
        if one.count[0]:
            other.hold(one)
        assert state.merge(other) == 0
        assert state.moments == wanted.merge(one)


@settings(max_examples=300)
@given(
    dtype=st.sampled_from(INTEGERS),
    values=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    doublings=st.integers(0, 57),
)
def test_means_and_variances_of_integers(c_table, dtype, values, doublings):
    """Of sums and counts to the largest, near constants and at the ends of the type."""
    limits = np.iinfo(dtype)
    span = limits.max - limits.min
    x = np.array([[round(limits.min + share * span)] for share in values], dtype)
    m = Moments.of(x)
    for _ in range(doublings):
        m.merge(m)
    mean, var = State(c_table, 1).hold(m).found()
    assert ulps(mean, m.mean) <= 1
    # Of a count that is no float64, that is one more rounding.
    assert ulps(var, m.var()) <= (2 if m.count[0] < 2**53 else 4)


@pytest.mark.parametrize("value", [0, 1, 255, 32767, 65534, 65535, -32768])
def test_the_largest_counts(c_table, value):
    """Each step of the exact part holds what it must, up to 95 bits in two parts."""
    x = np.full((1, 1), value, np.uint16 if value >= 0 else np.int16)
    power, total = Moments.of(x), Moments()
    for i in range(63):
        total.merge(power)
        if i < 62:
            power.merge(power)
    state = State(c_table, 1).hold(total)
    assert state.count.tolist() == [2**63 - 1, 0]
    mean, var = state.found()
    assert mean[0] == value and var[0] == 0
    for dtype in (x.dtype, np.float32):
        before = state.bytes()
        assert state.update(x.astype(dtype)[:, np.newaxis]) == 2
        assert state.merge(State(c_table, 1).hold(Moments.of(x.astype(dtype)))) == 2
        assert state.bytes() == before
    power.update(x, where=False).merge(Moments.of(np.full((1, 1), 3, x.dtype)))
    mean, var = State(c_table, 1).hold(power).found()
    assert ulps(mean, power.mean) <= 1 and ulps(var, power.var()) <= 4
