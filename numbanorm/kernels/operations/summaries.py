"""Summaries of statistics, which `numbanorm.Moments` holds: sums or moments, and extremes.

A summary of n statistics is ``sums`` of integers, int64 (4, n): that of values and that of their
squares, each as a high part and a low one; and ``values``, float64 (5, n): of floats the mean, what
it lacks, and the sum of squared deviations; and the least and the greatest value of all.

Sums of integers of at most 16 bits are exact: in float64 of a tile, which holds them, and in
integers of all. Their order is of no account.
"""

import math

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.across import column_total, fold_columns, settle_tile
from numbanorm.kernels.loops.along import cut, settle, sum_runs
from numbanorm.kernels.loops.columns import sum_tile
from numbanorm.kernels.loops.deviations import variance
from numbanorm.kernels.loops.far import has_nan, settle_far
from numbanorm.kernels.loops.runs import TURNS
from numbanorm.kernels.operations import moments_across, moments_along, slabs
from numbanorm.kernels.operations.given import runs_of, statistic_start
from numbanorm.kernels.operations.shares import each_tile
from numbanorm.kernels.simd.memory import lanes
from numbanorm.kernels.simd.pointers import (
    at,
    get,
    integer_in,
    is_null,
    pointer,
    put,
    put_integer,
)
from numbanorm.kernels.simd.room import allocate, release
from numbanorm.kernels.simd.storage import is_integer
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import (
    across_tiles,
    along_tiles,
    folds,
    moments_route,
    spread_of,
)
from numbanorm.plan.routes import ALONG
from numbanorm.plan.summary import DEVIATIONS, GREATEST, LEAST, LOW, LOW_BITS, REST

# Numbers of a tile of one statistic: a count, moments or sums, extremes.
FOUND = 5

# --- along memory -------------------------------------------------------------------------------


@inlined
def visit_along(view, runs, s, tile, unit, args):
    """Write (count, mean, m2, least, greatest), of integers sums, of a tile of statistic s."""
    x, partial = args
    first, here, start, end = cut(runs, tile)
    base = at(x, statistic_start(view, s) + first * runs.stride + start)
    n, to = end - start, at(partial, FOUND * unit)
    plain, squares, low, high = sum_runs(pieces.summary, base, here, runs.stride, n, (), 0, TURNS)
    if not is_integer(x):
        plain, squares = settle(plain, squares, base, runs.stride, here, n)
    put(to, 0, float(here * n))
    put(to, 1, plain)
    put(to, 2, squares)
    put(to, 3, low)
    put(to, 4, high)


@leaf
def along_worker(queue, view, args):
    """Write what `visit_along` does for every tile of every statistic, in order."""
    each_tile(queue, view, runs_of(view), view[0] * view[2], visit_along, args)


@leaf
def along(view, x, sums, values, workers):
    """Summarise statistics of long runs."""
    statistics = view[0] * view[2]
    _, _, tiles = along_tiles(view[1], view[3] * view[4])
    partial = allocate(FOUND * statistics * tiles)
    if is_null(partial):
        return MEMORY
    launch(along_worker, workers, view, (x, partial))
    if is_integer(x):
        for s in range(statistics):
            here = at(partial, FOUND * s * tiles)
            add_tiles(sums, statistics, s, at(here, 1), at(here, 2), FOUND, tiles)
    else:
        moments_along.merge_tiles(view, partial, FOUND, values, at(values, DEVIATIONS * statistics))
    for s in range(statistics):
        here = at(partial, FOUND * s * tiles + 3)
        join_extremes(values, statistics, s, here, at(here, 1), FOUND, tiles)
    release(partial)
    return OK


# --- across memory ------------------------------------------------------------------------------


@inlined
def visit(view, cut, place, args):
    """Write the moments, or of integers sums, and then the extremes of the statistics of a place.

    Each is an array of those of all groups.
    """
    x, partial, work = args
    per, group = view[3] * view[4], view[2]
    _, tile = slabs.tile_at(x, view, cut, place)
    spread = spread_of(tile.rows // tile.fold, tile.stride)
    sum_tile(pieces.summary, (work[0], work[1], work[2], work[3]), tile, (), spread)
    to = at(partial, 4 * (place.b * cut.tiles + place.tile) * group + place.start // per)
    fold_columns(pieces.join_extremes, (work[2], work[3]), tile.n, tile.fold, x)
    for g in range(tile.n // per):
        low, high = math.inf, -math.inf
        for j in range(g * per, (g + 1) * per):
            low, high = min(low, get(work[2], j)), max(high, get(work[3], j))
        put(to, 2 * group + g, low)
        put(to, 3 * group + g, high)
    if is_integer(x):
        fold_columns(pieces.add_sums, (work[0], work[1]), tile.n, tile.fold, x)
        for g in range(tile.n // per):
            put(to, g, column_total(work[0], g * per, per, 1, tile.n, x))
            put(to, group + g, column_total(work[1], g * per, per, 1, tile.n, x))
    else:
        settle_tile(tile, per, work, 0.0, to, at(to, group))


@leaf
def across_worker(queue, view, args):
    """Write what `visit` does for every tile of every statistic."""
    x, partial, room = args
    cut, here = slabs.cut_of(view, x, room.slab, 0), (x, partial, slabs.sums_of(room, queue[1]))
    slabs.each_tile(queue, view, cut, room.slab, False, slabs.enter_nothing, visit, here)


@leaf
def across(view, x, sums, values, workers):
    """Summarise statistics that are columns of x's rows."""
    batch, outer, group, width, run = view
    statistics, columns = batch * group, group * width * run
    slab, each = slabs.slab_room(view, x, workers)
    _, tiles = across_tiles(outer, columns, folds(columns, lanes(x)))
    size = slabs.sums_size(workers, each)
    work = allocate(size + 4 * batch * group * tiles)
    if is_null(work):
        return MEMORY
    partial = at(work, size)
    launch(across_worker, workers, view, (x, partial, slabs.Room(slab, each, work, work)))
    if not is_integer(x):
        moments_across.merge_tiles(view, x, partial, 4, values, at(values, DEVIATIONS * statistics))
    for s in range(statistics):
        here = at(partial, 4 * (s // group * tiles * group) + s % group)
        if is_integer(x):
            add_tiles(sums, statistics, s, here, at(here, group), 4 * group, tiles)
        low = at(here, 2 * group)
        join_extremes(values, statistics, s, low, at(low, group), 4 * group, tiles)
    release(work)
    return OK


# --- both ---------------------------------------------------------------------------------------


@inlined
def joined(sums, n, row, s):
    """Return the high and the low part of the sum of statistic s that rows `row` and on hold."""
    return integer_in(sums, row * n + s), integer_in(sums, (row + 1) * n + s)


@inlined
def put_sum(sums, n, row, s, high, low):
    """Write a sum by its parts, the second of which may have grown."""
    put_integer(sums, row * n + s, high + (low >> LOW_BITS))
    put_integer(sums, (row + 1) * n + s, low & LOW)


@leaf
def add_tiles(sums, n, s, plain, squares, step, tiles):
    """Write the sums of statistic s from those of its tiles, `step` apart."""
    total, high, low = 0, 0, 0
    for t in range(tiles):
        square = int(get(squares, t * step))
        total += int(get(plain, t * step))
        high += square >> LOW_BITS
        low += square & LOW
    put_sum(sums, n, 0, s, total >> LOW_BITS, total & LOW)
    put_sum(sums, n, 2, s, high, low)


@leaf
def join_extremes(values, n, s, lows, highs, step, tiles):
    """Write the extremes of statistic s from those of its tiles, `step` apart."""
    low, high = math.inf, -math.inf
    for t in range(tiles):
        low, high = min(low, get(lows, t * step)), max(high, get(highs, t * step))
    put(values, LEAST * n + s, low)
    put(values, GREATEST * n + s, high)


@leaf
def finish(view, x, values):
    """Set the moments of floats that left the range, and the extremes of what has NaN."""
    n, count = view[0] * view[2], float(view[1] * view[3] * view[4])
    rests, m2 = at(values, REST * n), at(values, DEVIATIONS * n)
    for s in range(n):
        put(rests, s, get(m2, s) / count)
    settle_far(view, x, 0, n, values, rests)
    for s in range(n):
        var = get(rests, s)
        if var != get(m2, s) / count:
            put(m2, s, variance(var) * count)
        put(rests, s, 0.0)
        if not math.isfinite(get(values, s)) and has_nan(view, x, s):
            put(values, LEAST * n + s, math.nan)
            put(values, GREATEST * n + s, math.nan)


@operation
def summarize(view, args, workers):
    """Write the summary of each statistic; `args` is (x, sums, values).

    Of integers, `values` has extremes only; of floats, `sums` is not written.
    """
    x, sums, values = args
    x, sums, values = pointer(x), pointer(sums), pointer(values)
    if moments_route(view) == ALONG:
        status = along(view, x, sums, values, workers)
    else:
        status = across(view, x, sums, values, workers)
    if status == OK and not is_integer(x):
        finish(view, x, values)
    return status
