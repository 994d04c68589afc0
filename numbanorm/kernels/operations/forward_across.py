"""Forward operations across memory, for statistics that are columns of x's rows; see `given`."""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.across import merge_all, normalize_reading, tile_moments
from numbanorm.kernels.loops.coefficients import arrays, fill_columns
from numbanorm.kernels.loops.columns import Target, lines_agree, write_rows
from numbanorm.kernels.loops.far import settle_far
from numbanorm.kernels.loops.pieces import normalize as normalize_vector
from numbanorm.kernels.operations.given import forward_given
from numbanorm.kernels.operations.slabs import (
    Room,
    bounds,
    coefficients_of,
    coefficients_size,
    cut_of,
    line_lead,
    slab_room,
    sums_of,
    sums_size,
    tile_at,
)
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import (
    allocate,
    as_computed,
    at,
    get,
    is_null,
    pointer,
    put,
    release,
)
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import across_tiles, claim, folds, streams

# --- moments ------------------------------------------------------------------------------------


@leaf
def moments_worker(queue, view, args):
    """Write the mean and m2 of every tile of every statistic, tile by tile."""
    x, partial, room = args
    work = sums_of(room, queue[1])
    batch, _, group, width, run = view
    per, cut = width * run, cut_of(view, x, room.slab, 0)
    units = batch * cut.tiles * cut.slabs
    unit, _ = claim(queue, units, 1, False)
    while unit < units:
        entry = unit // cut.slabs
        start, stop = bounds(cut, room.slab, unit % cut.slabs)
        _, tile = tile_at(x, view, cut, entry // cut.tiles, entry % cut.tiles, start, stop)
        centre = at(partial, 2 * entry * group + start // per)
        tile_moments(tile, per, work, 0.0, centre, at(centre, group))
        unit, _ = claim(queue, units, 1, False)


@leaf
def merge_moments(view, x, partial, mean, var):
    """Merge the tiles of each statistic, in order, into mean and (biased) variance."""
    batch, outer, group, width, run = view
    columns = group * width * run
    rows, tiles = across_tiles(outer, columns, folds(columns, lanes(x)))
    for b in range(batch):
        count, m, v = 0.0, at(mean, b * group), at(var, b * group)
        for t in range(tiles):
            more = float(min(rows, outer - t * rows) * width * run)
            found = at(partial, 2 * (b * tiles + t) * group)
            merge_all(count, m, v, group, more, found, at(found, group))
            count += more
        for g in range(group):
            put(v, g, get(v, g) / count)
    settle_far(view, x, 0, batch * group, mean, var)


@operation
def moments(view, args, workers):
    """Write the mean and biased variance of each statistic; `args` is (x, mean, var)."""
    x, mean, var = args
    x, mean, var = pointer(x), pointer(mean), pointer(var)
    slab, each = slab_room(view, x, workers)
    cut, size = cut_of(view, x, slab, 0), sums_size(workers, each)
    work = allocate(size + 2 * view[0] * cut.tiles * view[2])
    if is_null(work):
        return MEMORY
    partial = at(work, size)
    launch(moments_worker, workers, view, (x, partial, Room(slab, each, work, work)))
    merge_moments(view, x, partial, mean, var)
    release(work)
    return OK


# --- affine -------------------------------------------------------------------------------------


@inlined
def normalize_tile(y, x, view, cut, b, tile, start, stop, coefs, streamed):
    """Normalise columns [start, stop) of a tile."""
    e, (there, rows, columns, n, fold) = tile_at(x, view, cut, b, tile, start, stop)
    target = Target(at(y, e), there, coefs, None, streamed)
    write_rows(normalize_vector, target, rows, columns, n, fold, lines_agree(at(y, e), n, columns, fold))


@leaf
def affine_worker(queue, view, args):
    """Normalise rows by given statistics; `backwards` starts at the end, where x is cached."""
    y, x, norm, backwards, room, streamed = args
    coefs = arrays(coefficients_of(room, queue[1]), room.each)
    cut = cut_of(view, x, room.slab, line_lead(y, view))
    units = view[0] * cut.tiles * cut.slabs
    filled = -1
    unit, _ = claim(queue, units, 1, backwards)
    while unit < units:
        # The tiles of one slab follow one another, so that its coefficients serve many of them.
        b, tile = unit // (cut.tiles * cut.slabs), unit % cut.tiles
        start, stop = bounds(cut, room.slab, unit // cut.tiles % cut.slabs)
        if unit // cut.tiles != filled:
            fill_columns(coefs, norm, view, b, start, stop - start, cut.fold)
            filled = unit // cut.tiles
        normalize_tile(y, x, view, cut, b, tile, start, stop, coefs, streamed)
        unit, _ = claim(queue, units, 1, backwards)
    if streamed:
        fence()


@operation
def affine(view, args, workers):
    """Normalise by given statistics; see `forward_given`."""
    x = pointer(args[1])
    slab, each = slab_room(view, x, workers)
    coefs = allocate(coefficients_size(workers, each, x))
    if is_null(coefs):
        return MEMORY
    room = Room(slab, each, coefs, as_computed(coefs, x))
    launch(affine_worker, workers, view, (*forward_given(args), room, streams(view, x)))
    release(coefs)
    return OK


# --- both, slab by slab ---------------------------------------------------------------------------


@leaf
def normalize_worker(queue, view, args):
    """Take slabs one by one: normalise one while reading the next, or one after the other."""
    y, x, norm, _, room, streamed = args
    work, coefs = sums_of(room, queue[1]), arrays(coefficients_of(room, queue[1]), room.each)
    batch, outer, group, width, run = view
    per, cut = width * run, cut_of(view, x, room.slab, line_lead(y, view))
    units = batch * cut.slabs
    unit, _ = claim(queue, units, 1, False)
    ready = False
    while unit < units:
        after, _ = claim(queue, units, 1, False)
        b = unit // cut.slabs
        start, stop = bounds(cut, room.slab, unit % cut.slabs)
        n, s = stop - start, b * group + start // per
        if not ready:
            read_slab(x, view, cut, b, start, stop, work, norm)
        for g in range(s, s + n // per):
            put(norm.var, g, get(norm.var, g) / float(outer * per))
        settle_far(view, x, s, n // per, norm.mean, norm.var)
        fill_columns(coefs, norm, view, b, start, n, cut.fold)
        then, end = bounds(cut, room.slab, after % cut.slabs)
        # The rows of a slab must all be equally far from a vector's alignment.
        even = cut.columns * cut.fold % lanes(y) == 0 and outer * n <= 10240 * lanes(y)
        ready = after < units and end - then == n and even
        if ready:
            e, (there, _, _, _, _) = tile_at(x, view, cut, b, 0, start, stop)
            _, tile = tile_at(x, view, cut, after // cut.slabs, 0, then, end)
            target = Target(at(y, e), there, coefs, None, streamed)
            s = after // cut.slabs * group + then // per
            normalize_reading(target, tile, outer, per, work, at(norm.mean, s), at(norm.var, s))
        else:
            # What was read last is still in the cache.
            for t in range(cut.tiles - 1, -1, -1):
                normalize_tile(y, x, view, cut, b, t, start, stop, coefs, streamed)
        unit = after
    if streamed:
        fence()


@leaf
def read_slab(x, view, cut, b, start, stop, work, norm):
    """Write the means and sums of squared deviations of a slab's columns."""
    _, _, group, width, run = view
    per = width * run
    s = b * group + start // per
    for t in range(cut.tiles):
        _, tile = tile_at(x, view, cut, b, t, start, stop)
        count = float(t * cut.rows * per)
        tile_moments(tile, per, work, count, at(norm.mean, s), at(norm.var, s))


@operation
def normalize(view, args, workers):
    """Normalise by x's own statistics, and write those; see `forward_given`."""
    x = pointer(args[1])
    slab, each = slab_room(view, x, workers)
    sums = sums_size(workers, each)
    work = allocate(sums + coefficients_size(workers, each, x))
    if is_null(work):
        return MEMORY
    room = Room(slab, each, work, as_computed(at(work, sums), x))
    launch(normalize_worker, workers, view, (*forward_given(args), room, streams(view, x)))
    release(work)
    return OK
