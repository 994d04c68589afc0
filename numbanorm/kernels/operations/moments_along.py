"""Moments of statistics along memory, alone; see `given`."""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along import tile_moments
from numbanorm.kernels.loops.far import finish_moments
from numbanorm.kernels.loops.statistics import merge
from numbanorm.kernels.operations.given import runs_of, statistic_start
from numbanorm.kernels.operations.shares import each_tile
from numbanorm.kernels.simd.pointers import at, get, is_null, pointer, put
from numbanorm.kernels.simd.room import allocate, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import along_tiles


@inlined
def visit_moments(view, runs, s, tile, unit, args):
    """Write (count, mean, m2) of a tile of statistic s."""
    x, partial = args
    count, mean, m2 = tile_moments(at(x, statistic_start(view, s)), runs, tile)
    put(partial, 3 * unit, count)
    put(partial, 3 * unit + 1, mean)
    put(partial, 3 * unit + 2, m2)


@leaf
def moments_worker(queue, view, args):
    """Write the moments of every tile of every statistic, in order."""
    each_tile(queue, view, runs_of(view), view[0] * view[2], visit_moments, args)


@leaf
def merge_tiles(view, partial, each, mean, m2):
    """Merge the tiles of each statistic, in order; each tile has so many numbers in `partial`."""
    batch, outer, group, width, run = view
    _, _, tiles = along_tiles(outer, width * run)
    for s in range(batch * group):
        count, centre, deviations = 0.0, 0.0, 0.0
        for t in range(s * tiles, (s + 1) * tiles):
            found = at(partial, each * t)
            more, more_mean, more_m2 = get(found, 0), get(found, 1), get(found, 2)
            centre, deviations = merge(count, centre, deviations, more, more_mean, more_m2)
            count += more
        put(mean, s, centre)
        put(m2, s, deviations)


@operation
def moments(view, args, workers):
    """Write the mean and biased variance of each statistic; `args` is (x, mean, var)."""
    x, mean, var = args
    x, mean, var = pointer(x), pointer(mean), pointer(var)
    _, _, tiles = along_tiles(view[1], view[3] * view[4])
    partial = allocate(3 * view[0] * view[2] * tiles)
    if is_null(partial):
        return MEMORY
    launch(moments_worker, workers, view, (x, partial))
    merge_tiles(view, partial, 3, mean, var)
    finish_moments(view, x, mean, var)
    release(partial)
    return OK
