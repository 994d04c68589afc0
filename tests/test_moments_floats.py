"""Moments of floats keep their digits over any number of merges, and what is not finite apart."""

import itertools
import math

import numpy as np
import pictures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import BFLOAT16, same

import numbanorm as nbn
from numbanorm import Moments

# A type, and how far data of deviation 1 may lie from 0 in it: further off, 16 bits have none.
FAR = {np.float16: 1e3, BFLOAT16: 100.0, np.float32: 1e6, np.float64: 1e6}
LARGEST = float(np.finfo(np.float32).max)


def precise(values):
    """Return the means and variances of columns, to more digits than float64 has."""
    wide = np.asarray(values, np.float64).astype(np.longdouble)
    mean = wide.mean(axis=0)
    mean += (wide - mean).mean(axis=0)
    return mean, ((wide - mean) ** 2).mean(axis=0)


def check(m, values):
    """Compare moments with what they are of, of shape (values, channels)."""
    mean, var = precise(values)
    # A mean near 0 is a sum that cancelled.
    assert (np.abs(m.mean - mean) <= 5e-16 * np.maximum(np.abs(mean), np.sqrt(var))).all()
    assert (np.abs(m.var() - var) <= 1e-11 * var).all()
    assert (m.count == len(values)).all()
    wide = np.asarray(values, np.float64)
    assert (m.min == wide.min(axis=0)).all() and (m.max == wide.max(axis=0)).all()


@pytest.mark.parametrize("dtype", FAR, ids=str)
def test_far_from_zero(dtype):
    """A mean of one float64 is off by 2.4e-15 of itself after 10,000 merges."""
    rng = np.random.default_rng(1)
    x = (rng.standard_normal((40_000, 3)) + FAR[dtype] * np.array([1, -1, 0])).astype(dtype)
    check(Moments.of(x), x)
    check(Moments.of(x[:7]).merge(Moments.of(x[7:])), x)
    m = Moments()
    for part in np.array_split(x, 10_000):
        m.update(part)
    check(m, x)
    check(Moments.merged(Moments.of(part) for part in np.array_split(x, 10_000)[::-1]), x)


@pytest.mark.parametrize("few", [1, 2, 1000])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
def test_few_values_far_from_many(dtype, few):
    """To step from the mean of the few to that of all was to be off by 1e-14 of the deviation."""
    rng = np.random.default_rng(4)
    many = rng.standard_normal((100_003, 3))
    apart = rng.integers(-30_000, 30_000, (few, 3)).astype(dtype)
    values = np.concatenate([many, apart])
    check(Moments.of(apart).update(many), values)
    check(Moments.of(many).update(apart), values)


@settings(max_examples=200)
@given(
    shape=st.lists(st.sampled_from([1, 2, 3, 7, 16, 50, 129]), min_size=2, max_size=5),
    layout=st.sampled_from(["NCHW", "NHWC"]),
    dtype=st.sampled_from(list(FAR)),
    data=st.data(),
)
def test_of_one_array_as_channel_mean_var(shape, layout, dtype, data):
    while np.prod(shape) > 30_000:
        shape[np.argmax(shape)] //= 3
    memory = data.draw(pictures.memories(shape))
    x = memory.of(pictures.pixels(memory.sizes, dtype, data.draw(st.integers(0, 9))))
    if dtype != BFLOAT16 and data.draw(st.booleans()):
        x = x.astype(x.dtype.newbyteorder())
    x.flags.writeable = data.draw(st.booleans())
    m = Moments.of(x, layout=layout)
    mean, var = nbn.channel_mean_var(x, layout=layout)
    assert same(m.mean, mean) and same(m.var(), var)
    axis = 1 if layout == "NCHW" else x.ndim - 1
    check(m, np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]))


@pytest.mark.parametrize("dtype", FAR, ids=str)
@pytest.mark.parametrize("shape", [(2, 3, 150_001), (300_007, 1), (999, 600)], ids=str)
def test_any_number_of_threads(shape, dtype):
    x = pictures.pixels(shape, dtype)
    found = []
    for threads in (1, 2, 4):
        with nbn.num_threads(threads):
            m = Moments.of(x)
            found.append(m.update(x[::-1], layout="NHWC" if x.ndim == 2 else "NCHW"))
    assert found[0] == found[1] == found[2]


def test_constants():
    """Exactly themselves, with a variance of exactly 0, however they are cut."""
    values = [0.1, 1 / 3, math.pi, 1e6 + 0.1, -1e-300, 1e300, 5e-324, 0.0, LARGEST, -1.7e308]
    sizes = [1, 2, 3, 7, 1000, 10_007]
    m = Moments()
    for n in sizes:
        x = np.tile(values, (n, 1))
        for one in (Moments.of(x), Moments.of(x.T[np.newaxis]), m.update(x)):
            assert (one.mean == values).all() and (one.var() == 0).all()
            assert (one.min == values).all() and (one.max == values).all()
    for _ in range(40):
        m.merge(m)
    assert (m.mean == values).all() and (m.std() == 0).all()


def test_what_is_not_finite_stays_in_its_channel():
    """In any order of merging; extremes are NaN where a value is."""
    columns = {
        (1, 2, 4): (1, 4), (1, np.nan, 2): (np.nan, np.nan), (np.inf, 3, 3): (3, np.inf),
        (3, -np.inf, 3): (-np.inf, 3), (np.inf, -np.inf, 0): (-np.inf, np.inf),
        (np.inf, np.nan, 1): (np.nan, np.nan), (5, 5, 5): (5, 5),
    }  # fmt: skip
    values, (least, greatest) = np.array(list(columns)).T, np.array(list(columns.values())).T
    finite = np.isfinite(values).all(axis=0)
    one = np.ones((2, 7), np.uint8)
    for dtype, order in itertools.product(FAR, itertools.permutations(range(3))):
        x = values[list(order)].astype(dtype)
        first = Moments.of(one).update(x)
        assert same(first.min, np.minimum(least, 1)) and same(first.max, np.maximum(greatest, 1))
        several = (
            Moments.of(x),
            Moments.of(np.repeat(x, 300, axis=0)),
            Moments.of(np.repeat(x, 9000, axis=0).T[np.newaxis]),
            Moments.of(x[:1]).update(x[1:2]).update(x[2:]),
            Moments.of(x[:1]).merge(Moments.of(x[1:])),
        )
        for m in several:
            assert same(m.min, least) and same(m.max, greatest)
        for m in (*several, first, Moments.of(x).update(one)):
            assert (np.isfinite(m.mean) == finite).all() and (np.isfinite(m.var()) == finite).all()


def test_the_largest_values():
    x = np.array([[LARGEST, -LARGEST], [-LARGEST, -LARGEST], [LARGEST, LARGEST]], np.float32)
    for m in (Moments.of(x), Moments.of(x[:1]).update(x[1:2]).update(x[2:])):
        check(m, x)
    x = np.array([[1e300, 1e300], [-1e300, 1.7e308], [1e300, -1.7e308]])
    for m in (Moments.of(x), Moments.of(x[:1]).update(x[1:2]).update(x[2:])):
        np.testing.assert_allclose(m.mean, [1e300 / 3, 1e300 / 3], rtol=1e-9, atol=1e293)
        assert np.isinf(m.var()).all()
        assert m.max.tolist() == [1e300, 1.7e308] and m.min.tolist() == [-1e300, -1.7e308]


@settings(max_examples=150)
@given(
    kinds=st.lists(st.sampled_from([np.uint8, np.uint16, np.int16, *FAR]), min_size=2, max_size=6),
    seed=st.integers(0, 999),
)
def test_integers_and_floats(kinds, seed):
    rng = np.random.default_rng(seed)
    parts = [pictures.pixels((int(rng.integers(1, 40)), 3), kind, seed) for kind in kinds]
    m = Moments()
    for part in parts:
        m.update(part)
    values = np.concatenate([part.astype(np.float64) for part in parts])
    check(m, values)
    # Of the integers all is exact yet, and of the order that they came in nothing is left.
    ordered = sorted(range(len(parts)), key=lambda i: parts[i].dtype.kind in "iu")
    assert Moments.merged(Moments.of(parts[i]) for i in ordered) == m


def test_some_of_an_array():
    x = pictures.pixels((4, 3, 5, 7), np.float64) + 100
    for layout, shape in (("NCHW", (4, 5, 7)), ("NHWC", (4, 3, 5))):
        whole = Moments.of(x, layout=layout)
        for all_of_it in (np.ones(shape, bool), True, np.ones(shape[2:], bool), [[True]]):
            assert Moments.of(x, layout=layout, where=all_of_it) == whole
        values = np.moveaxis(x, 1 if layout == "NCHW" else 3, -1)
        none = Moments.of(x, layout=layout, where=False)
        assert none == Moments.of(values[:0], layout="NHWC")
        for size in (shape, shape[1:], shape[2:], (shape[0], 1, 1)):
            where = np.random.default_rng(2).random(size) < 0.5
            m = Moments.of(x, layout=layout, where=where)
            check(m, values[np.broadcast_to(where, shape)])
            assert (
                whole.merge(none) is whole
                and Moments().update(x, layout=layout, where=where.tolist()) == m
            )


def test_some_of_an_array_that_is_gathered_in_parts():
    """Of images larger than what is gathered at once, by a mask with strides of its own."""
    x = pictures.pixels((3, 501, 700), np.float32)
    where = (np.random.default_rng(2).random((3, 1002)) < 0.3)[:, ::-2]
    for array, layout in ((x, "NHWC"), (x.transpose(0, 2, 1), "NCHW")):
        check(Moments.of(array, layout=layout, where=where), x[where])
    x, where = x.reshape(1, 3, 501, 700), where.reshape(1, 3, 501)
    check(Moments.of(x, layout="NHWC", where=where), x[where])
