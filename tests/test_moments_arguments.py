"""What moments can't take in is refused, and leaves them as they were."""

import copy
import math

import numpy as np
import pytest

from numbanorm import Moments

INTEGERS = Moments.of(np.array([[1, 2, 3], [4, 9, 6]], np.uint8))
FLOATS = Moments.of(np.array([[1, 2, 3], [4, 9, 6.5]]))

X = np.ones((2, 3, 4), np.float32)
GIVEN = {
    "channels must be 3, as before, got 4": {"layout": "NHWC"},
    "layout must be 'NCHW' or 'NHWC', got 'CHW'": {"layout": "CHW"},
    r"where must be broadcastable to \(2, 4\), x's shape without channels, got \(3,\)": {
        "where": np.ones(3, bool)
    },
    "where must be bool, got int64": {"where": np.ones((2, 4), int)},
    "where must be bool, got float64": {"where": 1.0},
    "x must have 2 or more dimensions": {"x": X[0, 0]},
    "x must be uint8, uint16, int16, float16, bfloat16, float32 or float64, got int64": {
        "x": X.astype(int)
    },
    "x must be .*, got bool": {"x": X > 0},
    "x is a masked array": {"x": np.ma.array(X)},
}


@pytest.mark.parametrize("message", GIVEN)
def test_updates_that_fail(message):
    for m in (Moments(), copy.copy(INTEGERS), copy.copy(FLOATS)):
        before = m.to_dict()
        if not before["channels"] and "as before" in message:
            continue
        with pytest.raises((ValueError, TypeError), match=message):
            m.update(**{"x": X} | GIVEN[message])
        assert m.to_dict() == before


def test_merges_that_fail():
    m, before = copy.copy(INTEGERS).merge(FLOATS), copy.copy(INTEGERS).merge(FLOATS)
    for other in (None, 5, m.to_dict(), X):
        with pytest.raises(TypeError, match="other must be Moments, got"):
            m.merge(other)
    for other in (Moments.of(X[:, :2]), Moments.of(X[:0, :2])):
        with pytest.raises(ValueError, match="channels must be 3, as before, got 2"):
            m.merge(other)
        with pytest.raises(ValueError, match="channels must be 3, as before, got 2"):
            Moments.merged([m, other])
    with pytest.raises(TypeError, match=r"several\[1\] must be Moments, got dict"):
        Moments.merged([m, m.to_dict()])
    assert m == before == Moments.merged([INTEGERS, FLOATS])
    with pytest.raises(AttributeError):
        m.mean = np.zeros(3)


@pytest.mark.parametrize("m", [INTEGERS, FLOATS, copy.copy(INTEGERS).merge(FLOATS)], ids=repr)
def test_corrections(m):
    count = int(m.count[0])
    for correction in (0, 1, 0.5, -3, np.float32(1), count - 1e-9):
        wanted = m.var() * count / (count - correction)
        np.testing.assert_allclose(m.var(correction), wanted, rtol=1e-15)
        np.testing.assert_allclose(m.std(correction), np.sqrt(wanted), rtol=1e-15)
    for correction in (count, count + 0.5, 2**70):
        with pytest.raises(ValueError, match=f"correction must be less than the {count} values"):
            m.var(correction)
        with pytest.raises(ValueError, match=f"correction must be less than the {count} values"):
            m.std(correction)
    for correction in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="correction must be finite, got"):
            m.var(correction)
    for correction in (None, "1", [1]):
        with pytest.raises(TypeError, match="correction must be a number, got"):
            m.var(correction)
