"""Forward operations across memory, for statistics that are columns of x's rows; see `given`."""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.across import normalize_reading, tile_moments
from numbanorm.kernels.loops.coefficients import arrays, fill_columns
from numbanorm.kernels.loops.columns import Target, moved
from numbanorm.kernels.loops.far import settle_far
from numbanorm.kernels.operations import slabs
from numbanorm.kernels.operations.given import forward_given
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import at, get, is_null, pointer, put
from numbanorm.kernels.simd.room import allocate, as_computed, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import claim, streams

# --- affine -------------------------------------------------------------------------------------


@inlined
def enter_normalizing(view, cut, place, args):
    """Write the coefficients of a slab's columns."""
    target, norm = args
    b, _, start, stop = place
    fill_columns(target.coefs, norm, view, b, start, stop - start, cut.fold)


@inlined
def visit_normalizing(view, cut, place, args):
    """Normalise a place."""
    slabs.write_tile(pieces.normalize, args[0], view, cut, place)


@leaf
def affine_worker(queue, view, args):
    """Normalise rows by given statistics; `backwards` starts at the end, where x is cached."""
    y, x, norm, backwards, room, streamed = args
    coefs = arrays(slabs.coefficients_of(room, queue[1]), room.each)
    cut = slabs.cut_of(view, x, room.slab, slabs.line_lead(y, view))
    here, enter, visit = (
        (Target(y, x, coefs, None, streamed), norm),
        enter_normalizing,
        visit_normalizing,
    )
    slabs.each_tile(queue, view, cut, room.slab, backwards, enter, visit, here)
    if streamed:
        fence()


@operation
def affine(view, args, workers):
    """Normalise by given statistics; see `forward_given`."""
    x = pointer(args[1])
    slab, each = slabs.slab_room(view, x, workers)
    coefs = allocate(slabs.coefficients_size(workers, each, x))
    if is_null(coefs):
        return MEMORY
    room = slabs.Room(slab, each, coefs, as_computed(coefs, x))
    launch(affine_worker, workers, view, (*forward_given(args), room, streams(view, x, 2, workers)))
    release(coefs)
    return OK


# --- both, slab by slab ---------------------------------------------------------------------------


@leaf
def normalize_worker(queue, view, args):
    """Take slabs one by one: normalise one while reading the next, or one after the other."""
    y, x, norm, _, room, streamed = args
    work, coefs = slabs.sums_of(room, queue[1]), slabs.coefficients_of(room, queue[1])
    target = Target(y, x, arrays(coefs, room.each), None, streamed)
    _, outer, _, width, run = view
    cut = slabs.cut_of(view, x, room.slab, slabs.line_lead(y, view))
    units = view[0] * cut.slabs
    unit, _ = claim(queue, units, 1, False)
    ready = False
    while unit < units:
        after, _ = claim(queue, units, 1, False)
        place = slabs.place_of(cut, room.slab, unit, 0)
        following = slabs.place_of(cut, room.slab, after, 0)
        n = place.stop - place.start
        if not ready:
            read_slab(x, view, cut, place, work, norm)
        finish_slab(x, view, place, norm)
        enter_normalizing(view, cut, place, (target, norm))
        # The rows of a slab must all be equally far from a vector's alignment.
        even = cut.columns * cut.fold % lanes(y) == 0 and outer * n <= 10240 * lanes(y)
        ready = after < units and following.stop - following.start == n and even
        if ready:
            e, _ = slabs.tile_at(x, view, cut, place)
            _, tile = slabs.tile_at(x, view, cut, following)
            s = first_of(view, following)
            mean, m2 = at(norm.mean, s), at(norm.var, s)
            normalize_reading(moved(target, e, 0), tile, outer, width * run, work, mean, m2)
        else:
            # What was read last is still in the cache.
            for t in range(cut.tiles - 1, -1, -1):
                visit_normalizing(
                    view, cut, slabs.place_of(cut, room.slab, unit, t), (target, norm)
                )
        unit = after
    if streamed:
        fence()


@inlined
def first_of(view, place):
    """Return the first statistic of a place."""
    _, _, group, width, run = view
    return place.b * group + place.start // (width * run)


@leaf
def read_slab(x, view, cut, place, work, norm):
    """Write the means and sums of squared deviations of a slab's columns."""
    s, per = first_of(view, place), view[3] * view[4]
    for t in range(cut.tiles):
        _, tile = slabs.tile_at(x, view, cut, slabs.Place(place.b, t, place.start, place.stop))
        count = float(t * cut.rows * per)
        tile_moments(tile, per, work, count, at(norm.mean, s), at(norm.var, s))


@leaf
def finish_slab(x, view, place, norm):
    """Turn sums of squared deviations into variances."""
    s, per = first_of(view, place), view[3] * view[4]
    count = (place.stop - place.start) // per
    for g in range(s, s + count):
        put(norm.var, g, get(norm.var, g) / float(view[1] * per))
    settle_far(view, x, s, count, norm.mean, norm.var)


@operation
def normalize(view, args, workers):
    """Normalise by x's own statistics, and write those; see `forward_given`."""
    x = pointer(args[1])
    slab, each = slabs.slab_room(view, x, workers)
    sums = slabs.sums_size(workers, each)
    work = allocate(sums + slabs.coefficients_size(workers, each, x))
    if is_null(work):
        return MEMORY
    room = slabs.Room(slab, each, work, as_computed(at(work, sums), x))
    launch(
        normalize_worker, workers, view, (*forward_given(args), room, streams(view, x, 2, workers))
    )
    release(work)
    return OK
