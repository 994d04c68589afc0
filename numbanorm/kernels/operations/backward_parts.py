"""The two parts of a backward pass, for statistics that are of more than one array's elements.

What lies between is the caller's: to add the sums of all arrays.
"""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.gradients import gradient_coefficients, put_coefficients
from numbanorm.kernels.loops.statistics import or_else
from numbanorm.kernels.operations import backward_across, backward_along, slabs
from numbanorm.kernels.operations.given import Forward
from numbanorm.kernels.operations.totals import finish, table_at, table_size
from numbanorm.kernels.simd.memory import lanes
from numbanorm.kernels.simd.pointers import at, get, is_null, null, optional, pointer, put
from numbanorm.kernels.simd.room import allocate, as_computed, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import across_tiles, along_tiles, folds, moments_route, streams
from numbanorm.plan.routes import ALONG


@inlined
def tiles_of(view, x):
    """Return how many tiles a line has."""
    _, outer, group, width, run = view
    columns = group * width * run
    if moments_route(view) == ALONG:
        _, _, tiles = along_tiles(outer, run)
    else:
        _, tiles = across_tiles(outer, columns, folds(columns, lanes(x)))
    return tiles


@leaf
def find_totals(view, dy, forward, totals, partial, room, workers):
    """Write the three sums of each line."""
    tiles = tiles_of(view, forward.x)
    if moments_route(view) == ALONG:
        launch(backward_along.sums_worker, workers, view, (dy, forward, partial))
        backward_along.merge_sums(view, partial, totals)
    else:
        launch(backward_across.sums_worker, workers, view, (dy, forward, partial, room))
        backward_across.merge_sums(view, tiles, partial, totals)


@operation
def gradient_sums(view, args, workers):
    """Write the sums of dy and of dy * x_hat of each line; `args` is (sums, dy, x, mean, rstd).

    The statistics are given, whatever x's own are.
    """
    sums, dy, x, mean, rstd = args
    sums, dy, x, mean, rstd = pointer(sums), pointer(dy), pointer(x), pointer(mean), pointer(rstd)
    none = null(as_computed(sums, x))
    forward = Forward(x, none, mean, rstd, False, True)
    lines = view[0] * view[2] * view[3]
    slab, each = slabs.slab_room(view, x, workers)
    size = 0 if moments_route(view) == ALONG else slabs.sums_size(workers, each)
    fixed = size + 3 * lines + table_size(view)
    work = allocate(fixed + 3 * lines * tiles_of(view, x))
    if is_null(work):
        return MEMORY
    totals = at(work, size)
    room = slabs.Room(slab, each, work, as_computed(work, x))
    find_totals(view, dy, forward, totals, at(work, fixed), room, workers)
    table = table_at(at(totals, 3 * lines), view, x)
    finish(view, 0, view[0] * view[2], forward, totals, table, dy)
    for i in range(2 * lines):
        put(sums, i, get(totals, i))
    release(work)
    return OK


@leaf
def fill_table(view, forward, sums, count, table):
    """Write the coefficients of each statistic, of `count` values, from the sums of its lines."""
    width, lines = view[3], view[0] * view[2] * view[3]
    for s in range(view[0] * view[2]):
        weighted0, weighted1 = 0.0, 0.0
        for line in range(s * width, (s + 1) * width):
            w = or_else(forward.weight, line % (view[2] * width), 1.0)
            weighted0 += w * get(sums, line)
            weighted1 += w * get(sums, lines + line)
        mean, rstd = get(forward.mean, s), get(forward.rstd, s)
        found = gradient_coefficients(
            mean, rstd, 0.0, weighted0, weighted1, count, forward.training, forward.x
        )
        put_coefficients(table, s, found)


@operation
def input_gradient(view, args, workers):
    """Write dx by given sums; `args` is (dx, dy, x, weight, mean, rstd, sums, count, training).

    `sums` are those of `gradient_sums`, over all of the `count` values of a statistic.
    """
    dx, dy, x, weight, mean, rstd, sums, count, training = args
    dx, dy, x, sums = pointer(dx), pointer(dy), pointer(x), pointer(sums)
    forward = Forward(x, optional(weight), pointer(mean), pointer(rstd), training, True)
    slab, each = slabs.slab_room(view, dx, workers)
    size = 0 if moments_route(view) == ALONG else slabs.coefficients_size(workers, each, dx)
    work = allocate(size + table_size(view))
    if is_null(work):
        return MEMORY
    table, streamed = table_at(at(work, size), view, dx), streams(view, dx, 3, workers)
    fill_table(view, forward, sums, count, table)
    if moments_route(view) == ALONG:
        launch(backward_along.apply_worker, workers, view, (dx, dy, forward, table, streamed))
    else:
        room = slabs.Room(slab, each, work, as_computed(work, dx))
        given = dx, dy, forward, table, room, streamed
        launch(backward_across.apply_worker, workers, view, given)
    release(work)
    return OK
