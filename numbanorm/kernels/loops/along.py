"""Along memory: statistics made of long contiguous runs, found, and used while others are found.

Elements are those of `Runs`: as many as `outer` runs of `chunk` elements, `stride` apart. They are
summed in tiles, the order of whose sums does not depend on how their runs are visited.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.coefficients import (
    deviation_of,
    kept_coefficients,
    slot_coefficients,
)
from numbanorm.kernels.loops.overlap import alternating, read_and_write
from numbanorm.kernels.loops.runs import (
    FIRST,
    TURNS,
    Read,
    Write,
    read,
)
from numbanorm.kernels.loops.statistics import merge, merge_at, needs_shift, not_negative
from numbanorm.kernels.simd.memory import lanes, store
from numbanorm.kernels.simd.pointers import at
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import splat, splat_wide, totals
from numbanorm.kernels.tiles import along_tiles, ceil_div, section
from numbanorm.plan.tuning import BUNDLE, NEAR

# What a bundle's coefficients and sums take, in float64s.
TABLE, BUNDLE_ROOM = 5 * BUNDLE, (5 + 4 * 16) * BUNDLE


class Runs(NamedTuple):
    """How many runs a statistic or a line has, how far apart they are, and how long each is."""

    outer: Any
    stride: Any
    chunk: Any


@inlined
def cut(runs, tile):
    """Return (first run, runs, start, stop) of a tile: sections of one run, or whole ones."""
    rows, parts, _ = along_tiles(runs.outer, runs.chunk)
    first = tile // parts * rows
    start, stop = section(runs.chunk, parts, tile % parts)
    return first, min(rows, runs.outer - first), start, stop


@inlined
def sum_runs(kind, x, rows, stride, n, coefs, ahead, order):
    """Return the totals of the sums over some runs of n elements."""
    none = kind.none(x)
    first, second = none, none
    for r in range(rows):
        run = Read(at(x, r * stride), n, coefs, None)
        first, second = read(kind, (first, second), run, ahead, order)
    return kind.total(first, second)


# --- moments --------------------------------------------------------------------------------------


@leaf
def settle(plain, squares, x, stride, rows, n):
    """Turn a tile's sums into its mean and sum of squared deviations.

    Where squares - sum*mean would cancel, the tile, still in cache, is read again around its mean.
    """
    count = float(rows * n)
    mean = plain / count
    m2 = squares - plain * mean
    if needs_shift(m2, squares, x):
        coefs = (splat_wide(mean, x),)
        again = pieces.moment_around
        plain, squares = sum_runs(again, x, rows, stride, n, coefs, 0, FIRST)
        m2 = squares - plain * (plain / count)
        mean += plain / count
    return mean, not_negative(m2)


@leaf
def tile_moments(x, runs, tile):
    """Return (count, mean, m2) of one tile of a statistic whose first element x points to."""
    first, rows, start, stop = cut(runs, tile)
    base, n = at(x, first * runs.stride + start), stop - start
    plain, squares = sum_runs(pieces.moment, base, rows, runs.stride, n, (), 0, TURNS)
    mean, m2 = settle(plain, squares, base, runs.stride, rows, n)
    return float(rows * n), mean, m2


@leaf
def slice_moments(x, runs):
    """Return (mean, m2) of a whole statistic, its tiles merged in order."""
    count, mean, m2 = 0.0, 0.0, 0.0
    _, _, tiles = along_tiles(runs.outer, runs.chunk)
    for tile in range(tiles):
        more, more_mean, more_m2 = tile_moments(x, runs, tile)
        mean, m2 = merge(count, mean, m2, more, more_mean, more_m2)
        count += more
    return mean, m2


# --- normalising while reading the next statistic -------------------------------------------------


@inlined
def sums_at(p, like):
    """Return pointers to two sets of sums of moments in memory."""
    step = lanes(like)
    return (p, at(p, 2 * step)), (at(p, step), at(p, 3 * step))


@leaf
def normalize_reading(room, y, x, z, runs, bundle, mean, m2, streamed):
    """Normalise a bundle of adjacent statistics from x to y while reading the next bundle, z.

    x, y and z point to first elements; `room` has the coefficients of each statistic of x's bundle
    (`TABLE` float64s) and then room for sums. The moments of z's are written to mean and m2: those
    of `slice_moments`, to the bit.
    """
    step, count, table, sums = lanes(x), 0.0, room, at(room, TABLE)
    outer, stride, chunk = runs
    together = streamed and chunk >= 2 * step
    _, _, tiles = along_tiles(outer, chunk)
    for tile in range(tiles):
        first, here, start, stop = cut(runs, tile)
        n, base = stop - start, first * stride + start
        for k in range(bundle):
            first_sums, second_sums = sums_at(at(sums, 4 * step * k), x)
            store(first_sums, pieces.no_moments(x))
            store(second_sums, pieces.no_moments(x))
        for r in range(here):
            for k in range(bundle):
                i = base + r * stride + k * chunk
                last = stop == chunk and k + 1 == bundle
                behind = stride - k * chunk - start if last else n
                joined, joins = together and k > 0, together and k + 1 < bundle
                coefs = splat(kept_coefficients(table, k, x))
                after = splat(kept_coefficients(table, k + 1 if joins else k, x))
                run = Write(at(y, i), at(x, i), n, coefs, None, after, joined, joins, streamed)
                read_normalizing(at(sums, 4 * step * k), at(z, i), run, behind)
        for k in range(bundle):
            a, b = sums_at(at(sums, 4 * step * k), x)
            plain, squares = totals(load_sum(a, x), load_sum(b, x))
            centre, found = settle(plain, squares, at(z, base + k * chunk), stride, here, n)
            merge_at(count, mean, m2, k, float(here * n), centre, found)
        count += float(here * n)


@leaf
def read_normalizing(sums, z, run, behind):
    """Add to the sums in memory of a run's moments, while normalising another of its length."""
    a, b = sums_at(sums, z)
    found = load_sum(a, z), load_sum(b, z)
    source = Read(z, run.n, (), None)
    first, second = read_and_write(
        alternating, pieces.moment, found, source, TURNS, pieces.normalize, run, behind, NEAR
    )
    store(a, first)
    store(b, second)


@leaf
def normalize_lines_reading(y, x, z, view, norm, s, then, streamed):
    """Normalise a contiguous statistic, `width` lines, from x to y while reading the next one, z.

    y, x and z point to first elements of the statistics s and `then`. Each line has a weight and a
    bias of its own. The moments of z are written. A line is cut where a tile of z ends.
    """
    _, _, group, width, run = view
    step, chunk, slot = lanes(x), width * run, s % group * width
    _, parts, tiles = along_tiles(1, chunk)
    joined, count, (centre, rstd) = False, 0.0, deviation_of(norm, s, x)
    after = slot_coefficients(norm, centre, rstd, slot, x)
    for tile in range(tiles):
        start, stop = section(chunk, parts, tile)
        _, next_stop = section(chunk, parts, tile + 1)
        first, second = pieces.no_moments(x), pieces.no_moments(x)
        done, i = start, start
        while i < stop:
            coefs, end = after, min((i // run + 1) * run, stop)
            if end % run == 0 and end < chunk:
                after = slot_coefficients(norm, centre, rstd, slot + end // run, x)
            following = min((end // run + 1) * run, stop if end < stop else next_stop) - end
            # Both must reach a whole vector: a tile may end a few elements before its line does.
            joins = streamed and run >= 2 * step and min(end - i, following) >= step
            # Reading goes on in whole pairs of vectors from the tile's start, as `read` does.
            target = start + ceil_div(end - start, 2 * step) * (2 * step)
            more = min(target, stop) - done
            coefs, here, there, n = splat(coefs), at(y, i), at(x, i), end - i
            line = Write(here, there, n, coefs, None, splat(after), joined, joins, streamed)
            source = Read(at(z, done), more, (), None)
            found, apply = (first, second), pieces.normalize
            first, second = read_and_write(
                alternating, pieces.moment, found, source, TURNS, apply, line, more, NEAR
            )
            done, i, joined = done + more, end, joins
        plain, squares = totals(first, second)
        size = stop - start
        found, deviations = settle(plain, squares, at(z, start), 0, 1, size)
        merge_at(count, norm.mean, norm.var, then, float(size), found, deviations)
        count += float(size)
