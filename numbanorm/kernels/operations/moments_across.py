"""Moments of statistics across memory, which are columns of x's rows, alone; see `given`."""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.across import merge_all, tile_moments
from numbanorm.kernels.loops.far import finish_moments
from numbanorm.kernels.operations import slabs
from numbanorm.kernels.simd.memory import lanes
from numbanorm.kernels.simd.pointers import at, is_null, pointer
from numbanorm.kernels.simd.room import allocate, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import across_tiles, folds


@inlined
def visit_moments(view, cut, place, args):
    """Write the mean and m2 of the statistics of a place."""
    x, partial, work = args
    per, group = view[3] * view[4], view[2]
    _, tile = slabs.tile_at(x, view, cut, place)
    entry = place.b * cut.tiles + place.tile
    centre = at(partial, 2 * entry * group + place.start // per)
    tile_moments(tile, per, work, 0.0, centre, at(centre, group))


@leaf
def moments_worker(queue, view, args):
    """Write the mean and m2 of every tile of every statistic."""
    x, partial, room = args
    cut, here = slabs.cut_of(view, x, room.slab, 0), (x, partial, slabs.sums_of(room, queue[1]))
    slabs.each_tile(queue, view, cut, room.slab, False, slabs.enter_nothing, visit_moments, here)


@leaf
def merge_tiles(view, x, partial, each, mean, m2):
    """Merge the tiles of each statistic, in order; a tile has `each` arrays in `partial`."""
    batch, outer, group, width, run = view
    columns = group * width * run
    rows, tiles = across_tiles(outer, columns, folds(columns, lanes(x)))
    for b in range(batch):
        count, m, v = 0.0, at(mean, b * group), at(m2, b * group)
        for t in range(tiles):
            more = float(min(rows, outer - t * rows) * width * run)
            found = at(partial, each * (b * tiles + t) * group)
            merge_all(count, m, v, group, more, found, at(found, group))
            count += more


@operation
def moments(view, args, workers):
    """Write the mean and biased variance of each statistic; `args` is (x, mean, var)."""
    x, mean, var = args
    x, mean, var = pointer(x), pointer(mean), pointer(var)
    slab, each = slabs.slab_room(view, x, workers)
    cut, size = slabs.cut_of(view, x, slab, 0), slabs.sums_size(workers, each)
    work = allocate(size + 2 * view[0] * cut.tiles * view[2])
    if is_null(work):
        return MEMORY
    partial = at(work, size)
    launch(moments_worker, workers, view, (x, partial, slabs.Room(slab, each, work, work)))
    merge_tiles(view, x, partial, 2, mean, var)
    finish_moments(view, x, mean, var)
    release(work)
    return OK
