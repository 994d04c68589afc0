"""Moments of integers are exact: one dict, whatever the cut, the order, the memory, the threads."""

import numpy as np
import pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import numbanorm as nbn
from numbanorm import Moments

DTYPES = [np.uint8, np.uint16, np.int16]


def rows(x, layout):
    """Return x as an array of shape (values, channels)."""
    axis = 1 if layout == "NCHW" else x.ndim - 1
    return np.moveaxis(x, axis, -1).reshape(x.size // max(1, x.shape[axis]), x.shape[axis])


def exact(values):
    """Return the dict of integers of shape (values, channels), by Python's own."""
    columns = values.T.tolist()
    found = {"kind": "numbanorm.Moments", "version": 1, "channels": len(columns)}
    if values.size:
        found["integers"] = {
            "count": len(values),
            "sum": [sum(column) for column in columns],
            "squares": [sum(value * value for value in column) for column in columns],
        }
        found["min"], found["max"] = list(map(min, columns)), list(map(max, columns))
    return found


@st.composite
def arrays(draw, dtypes=DTYPES):
    """Draw integers and their layout: random, all alike or extreme, in any memory."""
    sizes = st.sampled_from([0, 1, 1, 2, 3, 5, 16, 17, 33, 130])
    shape = draw(st.lists(sizes, min_size=2, max_size=5))
    while np.prod(shape) > 20_000:
        shape[np.argmax(shape)] //= 3
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    limits, memory = np.iinfo(dtype), draw(pictures.memories(shape))
    x = memory.of(pictures.pixels(memory.sizes, dtype, draw(st.integers(0, 9))))
    match draw(st.sampled_from(["random", "one", "two"])):
        case "one":
            x[...] = draw(st.sampled_from([limits.min, limits.max, limits.max // 2]))
        case "two":
            x[...] = np.where(x % 2, limits.min, limits.max)
    if draw(st.booleans()):
        x = x.astype(dtype.newbyteorder())
    x.flags.writeable = draw(st.booleans())
    return x, draw(st.sampled_from(["NCHW", "NHWC"]))


@settings(max_examples=300)
@given(drawn=arrays())
def test_any_array(drawn):
    x, layout = drawn
    m, before = Moments.of(x, layout=layout), x.copy()
    values = rows(x, layout)
    assert m.to_dict() == exact(values)
    assert (x == before).all()
    channels = values.shape[1]
    assert m.count.tolist() == channels * [len(values)] and m.count.dtype == np.int64
    mean, var = nbn.channel_mean_var(x, layout=layout)
    assert pictures.same(m.mean, mean) and pictures.same(m.var(), var)
    if len(values) > 1:
        var = nbn.channel_mean_var(x, layout=layout, correction=1)[1]
        assert pictures.same(m.var(1), var) and pictures.same(m.std(1), np.sqrt(var))
    if values.size:
        assert m.min.dtype == m.max.dtype == np.int64
        assert (m.min == values.min(0)).all() and (m.max == values.max(0)).all()


@settings(max_examples=150)
@given(drawn=arrays(), data=st.data())
def test_any_cut(drawn, data):
    """Cut, masked, in any order, merged in any tree."""
    x, layout = drawn
    values = rows(x, layout)
    wanted = exact(values)
    shape = [n for i, n in enumerate(x.shape) if i != (1 if layout == "NCHW" else x.ndim - 1)]
    where = np.random.default_rng(x.size).random(shape) < data.draw(st.sampled_from([0.1, 0.5, 1]))
    m = Moments.of(x, layout=layout, where=where).update(x, layout=layout, where=~where)
    assert m.to_dict() == wanted
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=6).map(sorted))
    parts = [Moments.of(part) for part in np.split(values, cuts)]
    parts = data.draw(st.permutations(parts))
    assert Moments.merged(parts).to_dict() == wanted
    while len(parts) > 1:
        one = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        parts[data.draw(st.integers(0, len(parts) - 1))].merge(one)
    assert parts[0].to_dict() == wanted


# (channels, values): runs that threads share, of more than a tile; rows that they share.
@pytest.mark.parametrize("shape", [(3, 150_001), (1, 300_007), (600, 999)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_and_ways_through_memory(dtype, shape):
    planes = pictures.pixels(shape, dtype)
    planes[:, ::3] = np.iinfo(dtype).max
    pixels = np.ascontiguousarray(planes.T)
    wanted = exact(pixels)
    for threads in (1, 2, 4):
        with nbn.num_threads(threads):
            for x, layout in (
                (planes[np.newaxis], "NCHW"),
                (pixels, "NHWC"),
                (pixels.T[np.newaxis], "NCHW"),
                (planes.reshape(1, shape[0], -1, 1)[:, :, ::-1], "NCHW"),
            ):
                assert Moments.of(x, layout=layout).to_dict() == wanted


@pytest.mark.parametrize("dtype", DTYPES)
def test_counts_to_the_largest(dtype):
    """Sums of squares need 95 bits, counts all of an int64's."""
    limits = np.iinfo(dtype)
    x = np.array([[limits.min, limits.max, limits.max, 7], [limits.min, limits.max, 0, 8]], dtype)
    power, total, times = Moments.of(x), Moments(), 0
    for i in range(62):
        assert power.to_dict() == scaled(x, 2**i)
        total.merge(power)
        times += 2**i
        if i < 61:
            assert power.merge(power) is power
    total.update(x[:1]).update(x[1:], where=False)
    wanted = scaled(x, times)
    wanted["integers"]["count"] += 1
    for name, power_of in (("sum", 1), ("squares", 2)):
        more = [value**power_of for value in x[0].tolist()]
        wanted["integers"][name] = [a + b for a, b in zip(wanted["integers"][name], more)]
    assert total.to_dict() == wanted and (total.count == 2**63 - 1).all()
    assert total.mean[:2].tolist() == [limits.min, limits.max] and (total.var()[:2] == 0).all()
    for more in (x[:1], x[:1].astype(np.float32)):
        with pytest.raises(OverflowError, match=r"counts must be at most 9223372036854775807, got"):
            total.update(more)
        with pytest.raises(OverflowError, match=r"counts must be at most 9223372036854775807, got"):
            total.merge(Moments.of(more))
        assert total.to_dict() == wanted


def scaled(x, times):
    """Return the dict of what is x so many times over."""
    found = exact(x)
    counts = found["integers"]
    found["integers"] = {
        "count": counts["count"] * times,
        "sum": [value * times for value in counts["sum"]],
        "squares": [value * times for value in counts["squares"]],
    }
    return found


def test_of_nothing():
    """It has channels if its array had; it merges as nothing."""
    m = Moments()
    assert repr(m) == "Moments()" and m.count.shape == m.mean.shape == m.var(3).shape == (0,)
    for x in (np.empty((4, 0)), np.empty((0, 0, 3), np.uint8)):
        assert m.update(x) is m and m == Moments() and m != Moments.of(np.empty((0, 3)))
    full = Moments.of(np.array([[1, 2, 3], [3, 2, 1]], np.uint8))
    for x in (np.empty((0, 3)), np.empty((5, 3, 0), np.uint8), np.empty((5, 0, 3))):
        empty = Moments.of(x, layout="NHWC" if x.shape[1] == 0 else "NCHW")
        assert empty.count.tolist() == [0, 0, 0] and "count=0, mean=[nan, nan, nan]" in repr(empty)
        for values in (empty.mean, empty.var(), empty.std(1), empty.min, empty.max):
            assert values.shape == (3,) and np.isnan(values).all()
        assert Moments.merged([empty, Moments(), full, empty, Moments()]) == full
        with pytest.raises(ValueError, match="channels must be 3, as before, got 2"):
            empty.update(np.ones((1, 2)))


def test_what_is_returned_is_its_own():
    for dtype in (np.uint8, np.float64):
        x = pictures.pixels((5, 3), dtype)
        m, other = Moments.of(x), Moments()
        other.merge(m)
        before = m.to_dict()
        x[...] = 77
        other.update(x)
        for values in (m.count, m.mean, m.var(), m.std(), m.min, m.max, *m.arrays()):
            values[...] = 55
        m.to_dict()["min"].clear()
        assert m.to_dict() == before
