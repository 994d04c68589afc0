"""`jit.update_moments` from compiled code does what `Moments.update` does, to the last bit."""

import numba
import numpy as np
import pictures
import pytest
from pictures import BFLOAT16

from numbanorm import Moments, jit

DTYPES = [np.uint8, np.uint16, np.int16, np.float32, np.float64]


@numba.njit
def take(count, sums, values, x, view, threads):
    return jit.update_moments(count, sums, values, x, view, threads)


@numba.njit
def take_float16(count, sums, values, x, view, threads):
    return jit.update_moments(count, sums, values, jit.float16(x), view, threads)


@numba.njit
def take_bfloat16(count, sums, values, x, view, threads):
    return jit.update_moments(count, sums, values, jit.bfloat16(x), view, threads)


def unknown(channels):
    """Return the arrays of no values, not initialised."""
    sums, values = np.full((4, channels), -(7**9)), np.full((5, channels), np.nan)
    return np.zeros(2, np.int64), sums, values


def call(state, x, layout="NCHW", threads=1, called=None):
    """Take an array of rank 3 in, by its own dtype's function."""
    n, a, b = x.shape
    channels, spatial = (a, b) if layout == "NCHW" else (b, a)
    view = jit.batch_view(layout == "NCHW", n, channels, spatial)
    function = {"float16": take_float16, "bfloat16": take_bfloat16}.get(x.dtype.name, take)
    x = x if function is take else x.view(np.uint16)
    return (called or function)(*state, x, view, threads)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [*DTYPES, np.float16, BFLOAT16], ids=str)
def test_as_python(dtype, layout):
    """From arrays that are not initialised, on any number of threads."""
    for channels in (1, 3, 67):
        states, wanted = [unknown(channels) for _ in range(3)], Moments()
        for n, spatial in ((1, 1), (0, 5), (3, 50), (5, 1), (2, 150_001 // channels)):
            shape = (n, channels, spatial) if layout == "NCHW" else (n, spatial, channels)
            x = pictures.pixels(shape, dtype, n)
            wanted.update(x, layout=layout)
            for state, threads in zip(states, (1, 2, 4)):
                assert call(state, x, layout, threads) == jit.OK
                assert Moments.from_arrays(*state) == (wanted if wanted.count.any() else Moments())


@pytest.mark.parametrize("dtype", DTYPES)
def test_called_from_python(dtype):
    x = pictures.pixels((2, 3, 50), dtype)
    state = unknown(3)
    assert call(state, x, called=jit.update_moments) == jit.OK
    assert Moments.from_arrays(*state) == Moments.of(x)


def test_several_dtypes_into_one():
    state, wanted = Moments().arrays(channels=3), Moments()
    for dtype in [*DTYPES, np.float16, BFLOAT16]:
        x = pictures.pixels((2, 3, 50), dtype)
        assert call(state, x) == jit.OK and Moments.from_arrays(*state) == wanted.update(x)


@numba.njit(parallel=True)
def each(counts, sums, values, x):
    status = np.empty(len(x), np.int64)
    for i in numba.prange(len(x)):
        view = jit.batch_view(False, 1, 3, x.shape[1])
        status[i] = jit.update_moments(counts[i], sums[i], values[i], x[i], view)
    return status


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_each_of_a_prange_has_its_own(dtype):
    x = pictures.pixels((64, 100, 3), dtype)
    counts, sums, values = (np.stack([one] * 64) for one in unknown(3))
    assert not each(counts, sums, values, x).any()
    for i in range(64):
        assert Moments.from_arrays(counts[i], sums[i], values[i]) == Moments.of(x[i])


def test_wrong_sizes_change_nothing():
    x = pictures.pixels((2, 3, 5), np.uint8)
    views = {
        "more": jit.batch_view(True, 2, 3, 6),
        "channels": jit.batch_view(True, 2, 5, 3),
        "instances": jit.instance_view(True, 2, 3, 5),
        "groups": jit.group_view(True, 2, 3, 5, 1),
        "rows": jit.row_view(6, 5),
        "width": (1, 2, 3, 5, 1),
    }
    for wrong in views.values():
        state = Moments.of(x).arrays()
        assert take(*state, x, wrong, 1) == jit.SIZE
        assert Moments.from_arrays(*state) == Moments.of(x)
    view = jit.batch_view(True, 2, 3, 5)
    for place, size in ((0, 1), (0, 3), (1, 11), (1, 13), (2, 14), (2, 16)):
        state = [one.ravel() for one in Moments.of(x).arrays()]
        state[place] = np.full(size, 7, state[place].dtype)
        before = [one.copy() for one in state]
        assert take(*state, x, view, 1) == jit.SIZE
        assert all((one == old).all() for one, old in zip(state, before))


def test_counts_are_those_of_an_int64():
    x, one = pictures.pixels((2, 3, 5), np.uint8), np.ones((1, 3), np.uint8)
    power, total = Moments.of(one), Moments()
    for _ in range(62):
        total.merge(power)
        power.merge(power)
    state = total.arrays()
    for array in (x, x.astype(np.float64)):
        room = Moments.from_arrays(*state)
        room = room.merge(power).arrays()
        assert call(room, array) == jit.SIZE
        assert Moments.from_arrays(*room) == Moments.merged([total, power])


def read_only(array):
    array.flags.writeable = False
    return array


REFUSED = {
    "count is of int32": (0, np.zeros(2, np.int32), "must be of int64"),
    "count is of float64": (0, np.zeros(2), "must be of int64"),
    "sums are of uint64": (1, np.zeros((4, 3), np.uint64), "must be of int64"),
    "sums are transposed": (1, np.zeros((3, 4), np.int64).T, "C-contiguous"),
    "sums are read-only": (1, read_only(np.zeros((4, 3), np.int64)), "writeable"),
    "values are of float32": (2, np.zeros((5, 3), np.float32), "must be float64"),
    "values are strided": (2, np.zeros((5, 6))[:, ::2], "C-contiguous"),
    "values are read-only": (2, read_only(np.zeros((5, 3))), "writeable"),
    "x is of int64": (3, np.zeros((2, 3, 5), np.int64), "must be of uint8, uint16, int16, "),
    "x is of int8": (3, np.zeros((2, 3, 5), np.int8), "must be of uint8, uint16, int16, "),
    "x is of bool": (3, np.zeros((2, 3, 5), bool), "must be of uint8, uint16, int16, "),
    "x is of complex128": (3, np.zeros((2, 3, 5), complex), "must be of uint8, uint16, int16, "),
    "x is transposed": (3, np.zeros((5, 3, 2), np.uint8).T, "C-contiguous"),
}


@pytest.mark.parametrize(("place", "wrong", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("called", [take, take.py_func], ids=["compiled", "Python"])
def test_what_kernels_would_misread_does_not_compile(called, place, wrong, message):
    args = [*Moments().arrays(channels=3), np.zeros((2, 3, 5), np.uint8)]
    args[place] = wrong
    with pytest.raises(numba.TypingError, match=message):
        called(*args, jit.batch_view(True, 2, 3, 5), 1)


def test_what_is_read_may_be_read_only():
    x = read_only(pictures.pixels((2, 3, 5), np.uint8))
    state = unknown(3)
    assert call(state, x) == jit.OK and Moments.from_arrays(*state) == Moments.of(x)
