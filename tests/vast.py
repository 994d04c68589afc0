"""Norms of arrays whose elements, or bytes, no 32-bit number counts: a program of `test_arrays`.

The array is a few pages, mapped over and over, so that it takes 60 MB of memory. Their number of
bytes divides no power of two: an offset that lost its upper bits meets other values.
"""

import ctypes
import mmap
import os
import sys

import numpy as np

import numbanorm as nbn

SIZES = {"bytes": 2**30 + 2**20, "elements": 2**31 + 2**20}

CHANNELS, SPATIAL = 60, 1024 * 64
SAMPLE = CHANNELS * SPATIAL  # 3 * 5 * 2**18 elements, whole pages


def repeated(times):
    """Return an array (times, CHANNELS, SPATIAL), all of whose samples are one in memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    kinds = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    )
    libc.mmap.argtypes = kinds
    size = SAMPLE * 4
    file = os.memfd_create("sample")
    os.ftruncate(file, size)
    room = libc.mmap(None, size * times, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, -1, 0)
    fixed = 0x10
    for number in range(times):
        where = room + number * size
        access = mmap.PROT_READ | mmap.PROT_WRITE
        assert libc.mmap(where, size, access, mmap.MAP_SHARED | fixed, file, 0) == where
    os.close(file)
    flat = np.ctypeslib.as_array((ctypes.c_float * (SAMPLE * times)).from_address(room))
    return flat.reshape(times, CHANNELS, SPATIAL)


def close(found, wanted, what):
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert error < 1e-5, (what, error)


def check(times):
    rng = np.random.default_rng(0)
    x, dy, y = repeated(times), repeated(times), repeated(times)
    x[0] = rng.standard_normal((CHANNELS, SPATIAL), np.float32)
    x[0] += np.arange(CHANNELS, dtype=np.float32)[:, None]
    dy[0] = rng.standard_normal((CHANNELS, SPATIAL), np.float32)
    one, wide, g = x[-1], x[-1].astype(np.float64), dy[-1].astype(np.float64)

    # NCHW: the statistics are those of one sample.
    deviation = np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    x_hat = (wide - wide.mean(1, keepdims=True)) / deviation
    _, mean, rstd = nbn.batch_norm(x, training=True, return_stats=True, out=y)
    close(y[times // 2], x_hat, "NCHW")
    _, dweight, dbias = nbn.batch_norm_backward(dy, x, mean, rstd, out=y)
    close(dbias, times * g.sum(1), "dbias")
    close(dweight, times * (g * x_hat).sum(1), "dweight")
    dx = g - g.mean(1, keepdims=True) - x_hat * (g * x_hat).mean(1, keepdims=True)
    close(y[-1], dx / deviation, "dx")

    # NHWC, of as many rows as there are.
    rows, wide = x.reshape(-1, CHANNELS), one.reshape(-1, CHANNELS).astype(np.float64)
    mean, var = nbn.channel_mean_var(rows, layout="NHWC")
    close(mean, wide.mean(0), "mean")
    close(var, wide.var(0), "var")
    nbn.batch_norm(rows, mean, var, layout="NHWC", out=y.reshape(rows.shape))
    wanted = (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-5)
    close(y[-1], wanted.reshape(one.shape), "NHWC")

    # Rows: all of it as one, and many.
    wide = wide.reshape(one.shape)
    nbn.layer_norm(x, x.shape, out=y)
    close(y[-1], (wide - wide.mean()) / np.sqrt(wide.var() + 1e-5), "one row")
    nbn.rms_norm(rows, CHANNELS, out=y.reshape(rows.shape))
    wide = wide.reshape(-1, CHANNELS)
    wanted = wide / np.sqrt((wide * wide).mean(1, keepdims=True) + np.finfo(np.float32).eps)
    close(y[-1], wanted.reshape(one.shape), "rows")


if __name__ == "__main__":
    check(SIZES[sys.argv[1]] // SAMPLE + 1)
