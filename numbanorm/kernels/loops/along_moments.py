"""Moments along memory: a statistic is made of long contiguous runs.

A tile's sums are four wide vectors in memory (two of values, two of squares), so that the same
order of addition comes about however a tile's runs are visited.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.statistics import merge, needs_shift, not_negative
from numbanorm.kernels.simd.memory import lanes, load, load_first, load_sum, no_sum, store
from numbanorm.kernels.simd.pointers import at
from numbanorm.kernels.simd.vec import fma, keep_first, splat_wide, total, widen
from numbanorm.kernels.tiles import along_tiles, piece


@inlined
def clear(sums, count, like):
    """Set `count` wide vectors of sums to zero."""
    for i in range(count):
        store(at(sums, i * lanes(like)), no_sum(like))


@leaf
def read(sums, x, n):
    """Add n contiguous elements, and their squares, to a tile's sums."""
    step = lanes(x)
    a0, a1 = load_sum(sums, x), load_sum(at(sums, step), x)
    b0, b1 = load_sum(at(sums, 2 * step), x), load_sum(at(sums, 3 * step), x)
    pairs = n - n % (2 * step)
    for i in range(0, pairs, 2 * step):
        u, v = widen(load(at(x, i))), widen(load(at(x, i + step)))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
    if pairs < n:
        u = widen(load_first(at(x, pairs), n - pairs))
        v = widen(load_first(at(x, pairs + step), n - pairs - step))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
    store(sums, a0)
    store(at(sums, step), a1)
    store(at(sums, 2 * step), b0)
    store(at(sums, 3 * step), b1)


@leaf
def read_shifted(sums, x, n, shift):
    """Add the distances of n contiguous elements from `shift`, and their squares, to the sums."""
    step = lanes(x)
    a, b = load_sum(sums, x), load_sum(at(sums, 2 * step), x)
    by = splat_wide(shift, x)
    whole = n - n % step
    for i in range(0, whole, step):
        d = widen(load(at(x, i))) - by
        a, b = a + d, fma(d, d, b)
    if whole < n:
        d = keep_first(widen(load_first(at(x, whole), n - whole)) - by, n - whole)
        a, b = a + d, fma(d, d, b)
    store(sums, a)
    store(at(sums, 2 * step), b)


@leaf
def settle(sums, x, stride, rows, n):
    """Turn a tile's sums into its mean and sum of squared deviations.

    Where squares - sum*mean would cancel, the tile, still in cache, is read again around its mean.
    """
    step = lanes(x)
    count = float(rows * n)
    squares = total(load_sum(at(sums, 2 * step), x) + load_sum(at(sums, 3 * step), x))
    plain = total(load_sum(sums, x) + load_sum(at(sums, step), x))
    mean = plain / count
    m2 = squares - plain * mean
    if needs_shift(m2, squares, x):
        clear(sums, 4, x)
        for r in range(rows):
            read_shifted(sums, at(x, r * stride), n, mean)
        plain = total(load_sum(sums, x))
        m2 = total(load_sum(at(sums, 2 * step), x)) - plain * (plain / count)
        mean += plain / count
    return mean, not_negative(m2)


@leaf
def tile_moments(sums, x, outer, stride, chunk, tile):
    """Return (count, mean, m2) of one tile of a statistic whose first element x points to."""
    rows, parts, _ = along_tiles(outer, chunk)
    first = tile // parts * rows
    rows = min(rows, outer - first)
    start, stop = piece(chunk, parts, tile % parts)
    base = at(x, first * stride + start)
    clear(sums, 4, x)
    for r in range(rows):
        read(sums, at(base, r * stride), stop - start)
    mean, m2 = settle(sums, base, stride, rows, stop - start)
    return float(rows * (stop - start)), mean, m2


@leaf
def slice_moments(sums, x, outer, stride, chunk):
    """Return (mean, m2) of a whole statistic, its tiles merged in order."""
    count, mean, m2 = 0.0, 0.0, 0.0
    _, _, tiles = along_tiles(outer, chunk)
    for tile in range(tiles):
        more, more_mean, more_m2 = tile_moments(sums, x, outer, stride, chunk, tile)
        mean, m2 = merge(count, mean, m2, more, more_mean, more_m2)
        count += more
    return mean, m2
