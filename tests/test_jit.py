"""The operations called from a user's own compiled code, serial, parallel and from the cache."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cases
import numba
import numpy as np
import pytest
from processes import run

import numbanorm as nbn
from numbanorm import jit

PROGRAM = """
import sys
import numba
import numpy as np
from numbanorm import jit


@numba.njit(cache=True, parallel=True)
def each(x, eps):
    y, status = np.empty_like(x), np.empty(len(x), np.int64)
    for i in numba.prange(len(x)):
        mean, var = np.empty(1), np.empty(1)
        view = jit.row_view(1, x.shape[1])
        status[i] = jit.normalize(y[i], x[i], None, None, mean, var, eps, view)
    return status, y


if __name__ == "__main__":
    x = np.random.default_rng(1).standard_normal((64, 100)).astype(np.float32)
    # What can't be is a status: an exception in a prange would leave results half written.
    status, y = each(x, -1.0)
    assert (status == jit.EPS).all()
    status, y = each(x, 1e-5)
    assert not status.any()
    np.save(sys.argv[1], y)
    print(sum(each.stats.cache_hits.values()))
    print(each.stats.cache_path)
"""


def test_prange_and_the_cache(tmp_path: Path) -> None:
    """A second process loads the user's code, which must then find ours.

    Ours, an operation of 550 kB that compiles for 20 s, is not in the user's code but called by it.
    """
    program, result = tmp_path / "program.py", tmp_path / "y.npy"
    program.write_text(PROGRAM)
    x = np.random.default_rng(1).standard_normal((64, 100)).astype(np.float32)
    for wanted in ("0", "1"):
        hits, folder = run(program, result, options=("-W", "ignore")).splitlines()
        assert hits == wanted
        (code,) = Path(folder).glob("program.each*.nbc")
        assert code.stat().st_size < 150_000
        np.testing.assert_array_equal(np.load(result), nbn.layer_norm(x, 100))
        result.unlink()


CALLBACK = """
import ctypes
import numba
import numpy as np
from numba import types
from numbanorm import jit

rows = types.void(types.CPointer(types.float32), types.int64, types.int64)

@numba.cfunc(rows, cache=True)
def normalize(p, count, size):
    x = numba.carray(p, (count, size))
    mean, var = np.empty(count), np.empty(count)
    jit.normalize(x, x, None, None, mean, var, 0.0, jit.row_view(count, size), 2)

x = np.tile(np.array([1, 3], np.float32), (1000, 300))
call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(normalize.address)
call(x.ctypes.data, *x.shape)
assert (x == np.tile([-1, 1], (1000, 300))).all()
print(normalize.cache_hits)
"""


def test_a_callback_from_the_cache(tmp_path: Path) -> None:
    """One that has parallel code of Numba's in it ends the process when loaded."""
    program = tmp_path / "program.py"
    program.write_text(CALLBACK)
    for hits in ("0", "1"):
        assert run(program, options=("-W", "ignore")).split() == [hits]


@numba.njit
def batch(x, weight, bias, running_mean, running_var, dy, threads):
    channels = x.shape[1]
    view = jit.batch_view(True, len(x), channels, x.shape[2] * x.shape[3])
    y, dx, mean, var = np.empty_like(x), np.empty_like(x), np.empty(channels), np.empty(channels)
    dweight, dbias = np.empty_like(weight), np.empty_like(bias)
    z, found, spread = np.empty_like(x), np.empty(channels), np.empty(channels)
    results = np.empty(5, np.int64)
    results[0] = jit.normalize(y, x, weight, bias, mean, var, 1e-5, view, threads)
    results[1] = jit.update_running(running_mean, running_var, mean, var, 0.1, view)
    rstd = 1 / np.sqrt(var + 1e-5)
    results[2] = jit.backward(dx, dweight, dbias, dy, x, weight, mean, rstd, view, threads)
    results[3] = jit.moments(x, found, spread, view, threads)
    results[4] = jit.affine(z, x, weight, bias, found, spread, 1e-5, view, threads)
    return results, y, dx, dweight, dbias, z


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("called", [batch, batch.py_func], ids=["compiled", "Python"])
def test_as_the_functions(called: Callable[..., Any], threads: int) -> None:
    dtype = np.float32
    random = np.random.default_rng(2)
    x, dy = (random.standard_normal((8, 5, 40, 40)).astype(dtype) for _ in range(2))
    weight, bias = (random.standard_normal(5).astype(dtype) for _ in range(2))
    running, expected = ([np.zeros(5, dtype), np.ones(5, dtype)] for _ in range(2))
    statuses, y, dx, dweight, dbias, z = called(x, weight, bias, *running, dy, threads)
    assert not statuses.any()
    y0, mean, rstd = nbn.batch_norm(x, *expected, weight, bias, True, return_stats=True)
    np.testing.assert_array_equal(y, y0)
    np.testing.assert_array_equal(running, expected)
    tolerance = 1e-5
    np.testing.assert_allclose(z, y0, tolerance, tolerance)
    for got, want in zip((dx, dweight, dbias), nbn.batch_norm_backward(dy, x, mean, rstd, weight)):
        scale = np.abs(want).max()
        np.testing.assert_allclose(got, want, 0, tolerance * scale)


@numba.njit
def sixteen(seen, bits, other_bits, weight, bias, running_mean, running_var, view, threads):
    x, dy = seen(bits), seen(other_bits)
    y, dx, z, statistics = np.empty_like(bits), np.empty_like(bits), np.empty_like(bits), view[2]
    dweight, dbias = np.empty_like(weight), np.empty_like(bias)
    mean, var = np.empty(statistics), np.empty(statistics)
    found, spread = np.empty(statistics), np.empty(statistics)
    results = np.empty(5, np.int64)
    results[0] = jit.normalize(seen(y), x, weight, bias, mean, var, 1e-5, view, threads)
    results[1] = jit.update_running(running_mean, seen(running_var), mean, var, 0.1, view)
    rstd = 1 / np.sqrt(var + 1e-5)
    results[2] = jit.backward(seen(dx), dweight, dbias, dy, x, weight, mean, rstd, view, threads)
    results[3] = jit.moments(x, found, spread, view, threads)
    results[4] = jit.affine(seen(z), x, weight, None, found, spread, 1e-5, view, threads)
    return results, y, dx, dweight, dbias, z, mean, rstd


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", cases.SIXTEEN)
def test_floats_of_sixteen_bits(kind: str, threads: int) -> None:
    """As the functions, to the last bit."""
    dtype, random = cases.dtype_of(kind), np.random.default_rng(2)
    x, dy = (random.standard_normal((8, 5, 60, 70)).astype(dtype) for _ in range(2))
    weight, bias = (random.standard_normal(5).astype(np.float32) for _ in range(2))
    running, expected = ([np.zeros(5, np.float32), np.ones(5, dtype)] for _ in range(2))
    view = jit.batch_view(True, 8, 5, 60 * 70)
    bits = [a.view(np.uint16) for a in (x, dy)]
    statuses, *found, mean, rstd = sixteen(
        getattr(jit, kind), *bits, weight, bias, running[0], running[1].view(np.uint16), view,
        threads,
    )  # fmt: skip
    assert not statuses.any()
    y, m, _ = nbn.batch_norm(x, *expected, weight, bias, True, return_stats=True)
    gradients = nbn.batch_norm_backward(dy, x, mean, rstd, weight)
    z = nbn.batch_norm(x, *nbn.channel_mean_var(x), weight)
    for got, want in zip(found, (y, *gradients, z), strict=True):
        assert np.array_equal(got.view(want.dtype), want)
    assert np.array_equal(mean, m)
    for got, want in zip(running, expected):
        assert np.array_equal(got, want)


@numba.njit
def half(bits, weight):
    mean, var = np.empty(len(bits)), np.empty(len(bits))
    x = jit.float16(bits)
    return jit.normalize(x, x, weight, None, mean, var, 1e-5, jit.row_view(*bits.shape))


def test_what_is_not_seen_as_floats() -> None:
    with pytest.raises(numba.TypingError, match=r"float16 must be given a uint16 array"):
        half(np.ones((2, 3), np.float16), None)
    with pytest.raises(numba.TypingError, match=r"float16 must be given a uint16 array"):
        half(np.ones((2, 3), np.int16), None)
    with pytest.raises(numba.TypingError, match="an array must be float32, as parameters beside"):
        half(np.ones((2, 3), np.uint16), np.ones(3))
    with pytest.raises(numba.TypingError, match="C-contiguous"):
        half(np.ones((2, 6), np.uint16)[:, ::2], None)


@numba.njit
def rows(x, y, mean, var, eps):
    none = np.empty(0, x.dtype)
    return jit.normalize(y, x, none, none, mean, var, eps, jit.row_view(2, 3))


def test_wrong_sizes_write_nothing() -> None:
    x, y = np.arange(6.0), np.full(6, 7.0)
    mean, var = np.full(2, 7.0), np.full(2, 7.0)
    assert rows(x[:5].copy(), y, mean, var, 1e-5) == jit.SIZE
    assert rows(x, y[:5].copy(), mean, var, 1e-5) == jit.SIZE
    assert rows(x, y, mean[:1].copy(), var, 1e-5) == jit.SIZE
    assert rows(x, y, mean, var[:1].copy(), 1e-5) == jit.SIZE
    for eps in (-1.0, np.inf, np.nan):
        assert rows(x, y, mean, var, eps) == jit.EPS
    for untouched in (y, mean, var):
        assert (untouched == 7).all()
    assert rows(x, y, mean, var, 0.0) == jit.OK
    np.testing.assert_array_equal(mean, [1, 4])
    np.testing.assert_allclose(y, np.tile([-1, 0, 1], 2) * np.sqrt(1.5), rtol=1e-15)


@numba.njit
def far(x, dy, eps, threads):
    y, dx, none = np.empty_like(x), np.empty_like(x), np.empty(0)
    mean, var = np.empty(len(x)), np.empty(len(x))
    found, spread = np.empty(len(x)), np.empty(len(x))
    running_mean, running_var = np.zeros(len(x)), np.zeros(len(x))
    view = jit.batch_view(True, 1, len(x), x.shape[1])
    jit.normalize(y, x, None, None, mean, var, eps, view, threads)
    jit.moments(x, found, spread, view, threads)
    jit.update_running(running_mean, running_var, mean, var, 1.0, view)
    rstd = np.abs(1 / x[:, 0])
    jit.backward(dx, none, none, dy, x, None, mean, rstd, view, threads)
    return y, dx, mean, var, found, spread, running_mean, running_var


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_squares_out_of_range(size: float, threads: int) -> None:
    """What is found between kernels of such data is no variance, and none that a user gets."""
    x = np.tile([-size, size], (3, 100_000))
    dy = np.random.default_rng(3).standard_normal(x.shape)
    y, dx, *statistics = far(x, dy, 0.0, threads)
    np.testing.assert_array_equal(y, np.sign(x))
    centred = dy - dy.mean(axis=1, keepdims=True)
    wanted = centred - y * (dy * y).mean(axis=1, keepdims=True)
    np.testing.assert_allclose(dx * size, wanted, 0, 1e-12)
    for mean in statistics[::2]:
        np.testing.assert_array_equal(mean, 0)
    for var in statistics[1::2]:
        np.testing.assert_array_equal(var, np.inf if size > 1 else 0)


def test_nothing_is_normalised() -> None:
    @numba.njit
    def empty(x, mean, var):
        return jit.normalize(x, x, None, None, mean, var, 1e-5, jit.row_view(2, 0))

    mean, var = np.zeros(2), np.zeros(2)
    assert empty(np.empty(0), mean, var) == jit.OK
    assert np.isnan(mean).all() and np.isnan(var).all()


def read_only(array):
    array.flags.writeable = False
    return array


# What is wrong, the argument's place among x, y, mean, var, what stands there, and the message.
REFUSED = {
    "x is strided": (0, np.ones(12)[::2], "C-contiguous"),
    "x is transposed": (0, np.ones((3, 2)).T, "C-contiguous"),
    "x is of integers": (0, np.ones(6, int), "arrays must be float32, float64, jit.f"),
    "y is of another dtype": (1, np.ones(6, np.float32), "like x"),
    "y is read-only": (1, read_only(np.ones(6)), "writeable"),
    "mean is of float32": (2, np.ones(2, np.float32), "float64, as statistics"),
    "var is of float32": (3, np.ones(2, np.float32), "float64, as statistics"),
}


@pytest.mark.parametrize("place, wrong, message", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("called", [rows, rows.py_func], ids=["compiled", "Python"])
def test_what_kernels_would_misread_does_not_compile(called, place, wrong, message) -> None:
    arguments = [np.ones(6), np.ones(6), np.ones(2), np.ones(2)]
    arguments[place] = wrong
    with pytest.raises(numba.TypingError, match=message):
        called(*arguments, 1e-5)


def test_threads_are_those_of_python() -> None:
    ask = numba.njit(lambda: jit.num_threads())
    before = nbn.get_num_threads()
    try:
        for n in (1, 2):
            nbn.set_num_threads(n)
            assert ask() == jit.num_threads() == n
    finally:
        nbn.set_num_threads(before)
