"""Sums of integers of at most 16 bits and of their squares, exact: in float64 of tiles, which holds
them, and in integers of all. Their order is of no account.
"""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.across import column_total
from numbanorm.kernels.loops.along import cut, no_moments, sum_runs
from numbanorm.kernels.loops.columns import sum_tile
from numbanorm.kernels.loops.runs import FIRST
from numbanorm.kernels.operations import slabs
from numbanorm.kernels.operations.given import runs_of, statistic_start
from numbanorm.kernels.simd.memory import lanes
from numbanorm.kernels.simd.pointers import at, get, is_null, pointer, put, put_integer
from numbanorm.kernels.simd.room import allocate, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import (
    across_tiles,
    along_tiles,
    folds,
    following,
    moments_route,
    spread_of,
)
from numbanorm.plan.routes import ALONG
from numbanorm.plan.tuning import CLAIM

# A sum of squares is two integers, for it may be more than one holds: so many bits are the second.
LOW_BITS = 32


@leaf
def along_worker(queue, view, args):
    """Write the sums of every tile of every statistic."""
    x, partial = args
    runs, kind = runs_of(view), pieces.moment
    rows, _, tiles = along_tiles(runs.outer, runs.chunk)
    step = max(1, CLAIM // max(1, rows * min(runs.chunk, CLAIM)))
    units = view[0] * view[2] * tiles
    unit, stop = following(queue, units, step, False, -1, 0)
    while unit < units:
        first, here, start, end = cut(runs, unit % tiles)
        base = at(x, statistic_start(view, unit // tiles) + first * runs.stride + start)
        found = sum_runs(kind, no_moments(x), base, here, runs.stride, end - start, (), 0, FIRST)
        put(partial, 2 * unit, found[0])
        put(partial, 2 * unit + 1, found[1])
        unit, stop = following(queue, units, step, False, unit, stop)


@inlined
def visit(view, cut, place, args):
    """Write the sums of the statistics of a place."""
    x, partial, work = args
    per, group = view[3] * view[4], view[2]
    _, tile = slabs.tile_at(x, view, cut, place)
    spread = spread_of(tile.rows // tile.fold, tile.stride)
    sum_tile(pieces.moment, (work[0], work[1]), tile, (), spread)
    for g in range(tile.n // per):
        entry = (place.b * group + place.start // per + g) * cut.tiles + place.tile
        here = g * per, per, tile.fold, tile.n, x
        put(partial, 2 * entry, column_total(work[0], *here))
        put(partial, 2 * entry + 1, column_total(work[1], *here))


@leaf
def across_worker(queue, view, args):
    """Write the sums of every tile of every statistic."""
    x, partial, room = args
    cut, here = slabs.cut_of(view, x, room.slab, 0), (x, partial, slabs.sums_of(room, queue[1]))
    slabs.each_tile(queue, view, cut, room.slab, False, slabs.enter_nothing, visit, here)


@leaf
def add_tiles(found, partial, statistics, tiles):
    """Write the sums of each statistic."""
    for s in range(statistics):
        plain, high, low = 0, 0, 0
        for t in range(s * tiles, (s + 1) * tiles):
            squares = int(get(partial, 2 * t + 1))
            plain += int(get(partial, 2 * t))
            high += squares >> LOW_BITS
            low += squares & ((1 << LOW_BITS) - 1)
        put_integer(found, 3 * s, plain)
        put_integer(found, 3 * s + 1, high)
        put_integer(found, 3 * s + 2, low)


@operation
def sums(view, args, workers):
    """Write the sum of each statistic and, in two parts, of its squares; `args` is (x, sums)."""
    x, found = args
    x, found = pointer(x), pointer(found)
    batch, outer, group, width, run = view
    if moments_route(view) == ALONG:
        _, _, tiles = along_tiles(outer, width * run)
        partial = allocate(2 * batch * group * tiles)
        if is_null(partial):
            return MEMORY
        launch(along_worker, workers, view, (x, partial))
        add_tiles(found, partial, batch * group, tiles)
        release(partial)
        return OK
    columns = group * width * run
    slab, each = slabs.slab_room(view, x, workers)
    _, tiles = across_tiles(outer, columns, folds(columns, lanes(x)))
    size = slabs.sums_size(workers, each)
    work = allocate(size + 2 * batch * group * tiles)
    if is_null(work):
        return MEMORY
    partial = at(work, size)
    launch(across_worker, workers, view, (x, partial, slabs.Room(slab, each, work, work)))
    add_tiles(found, partial, batch * group, tiles)
    release(work)
    return OK
