"""The operations called from a user's own compiled code, serial, parallel and from the cache."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import numbanorm as nbn
from numbanorm import jit

PROGRAM = """
import sys
import numba
import numpy as np
from numbanorm import jit


@numba.njit(cache=True, parallel=True)
def each(x, eps):
    y, none = np.empty_like(x), np.empty(0, x.dtype)
    status = np.empty(len(x), np.int64)
    for i in numba.prange(len(x)):
        mean, var = np.empty(1), np.empty(1)
        view = jit.row_view(1, x.shape[1])
        status[i] = jit.normalize(y[i], x[i], none, none, mean, var, eps, view)
    return status, y


if __name__ == "__main__":
    x = np.random.default_rng(1).standard_normal((64, 100)).astype(np.float32)
    status, y = each(x, 1e-5)
    assert not status.any()
    np.save(sys.argv[1], y)
    print(sum(each.stats.cache_hits.values()))
"""


def test_prange_and_the_cache(tmp_path: Path) -> None:
    program, result = tmp_path / "program.py", tmp_path / "y.npy"
    program.write_text(PROGRAM)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    x = np.random.default_rng(1).standard_normal((64, 100)).astype(np.float32)
    for hits in ("0", "1"):
        command = [sys.executable, str(program), str(result)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [hits]
        np.testing.assert_array_equal(np.load(result), nbn.layer_norm(x, 100))
        result.unlink()


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
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_the_functions(dtype: type, threads: int) -> None:
    random = np.random.default_rng(2)
    x, dy = (random.standard_normal((8, 5, 40, 40)).astype(dtype) for _ in range(2))
    weight, bias = (random.standard_normal(5).astype(dtype) for _ in range(2))
    running, expected = ([np.zeros(5, dtype), np.ones(5, dtype)] for _ in range(2))
    statuses, y, dx, dweight, dbias, z = batch(x, weight, bias, *running, dy, threads)
    assert not statuses.any()
    y0, mean, rstd = nbn.batch_norm(x, *expected, weight, bias, True, return_stats=True)
    np.testing.assert_array_equal(y, y0)
    np.testing.assert_array_equal(running, expected)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(z, y0, tolerance, tolerance)
    for got, want in zip((dx, dweight, dbias), nbn.batch_norm_backward(dy, x, mean, rstd, weight)):
        scale = np.abs(want).max()
        np.testing.assert_allclose(got, want, 0, tolerance * scale)


def test_wrong_sizes_write_nothing() -> None:
    @numba.njit
    def wrong(x, y, mean, eps):
        none = np.empty(0, x.dtype)
        view = jit.row_view(2, 3)
        return jit.normalize(y, x, none, none, mean, np.empty(2), eps, view)

    x, y, mean = np.ones(6), np.full(6, 7.0), np.full(2, 7.0)
    assert wrong(x[:5].copy(), y, mean, 1e-5) == jit.SIZE
    assert wrong(x, y, mean[:1].copy(), 1e-5) == jit.SIZE
    for eps in (-1.0, np.inf, np.nan):
        assert wrong(x, y, mean, eps) == jit.EPS
    assert (y == 7).all() and (mean == 7).all()
    assert wrong(x, y, mean, 1e-5) == jit.OK


def test_threads_are_those_of_python() -> None:
    ask = numba.njit(lambda: jit.num_threads())
    before = nbn.get_num_threads()
    try:
        for n in (1, 2):
            nbn.set_num_threads(n)
            assert ask() == n
    finally:
        nbn.set_num_threads(before)
