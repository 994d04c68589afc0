"""Backward operations across memory. `totals` is as in `backward_along`."""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.arrays import add_all, clear_all
from numbanorm.kernels.loops.coefficients import arrays
from numbanorm.kernels.loops.columns import Target
from numbanorm.kernels.operations import slabs
from numbanorm.kernels.operations.column_gradients import (
    add_tile,
    centres_of,
    clear_lines,
    fill_centres,
    fill_gradient,
)
from numbanorm.kernels.operations.given import backward_given
from numbanorm.kernels.operations.totals import (
    finish,
    put_parameters,
    table_at,
    table_size,
)
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import at, is_null
from numbanorm.kernels.simd.room import allocate, as_computed, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import across_fits, claim, streams


@inlined
def gradient_arrays(coefs, room):
    """Return pointers to six arrays of coefficients."""
    c0, c1, c2, c3, c4 = arrays(coefs, room)
    return c0, c1, c2, c3, c4, at(coefs, 5 * room)


# --- sums ---------------------------------------------------------------------------------------


@inlined
def enter_summing(view, cut, place, args):
    """Write the centres of a slab's columns."""
    _, forward, _, work = args
    fill_centres(centres_of(work, forward.x), view, place, cut.fold, forward)


@inlined
def visit_summing(view, cut, place, args):
    """Write the three sums of each line of a place."""
    source, forward, partial, work = args
    slots = view[2] * view[3]
    sums = at(partial, 3 * (place.b * cut.tiles + place.tile) * slots)
    clear_lines(sums, slots, view, place)
    _, tile = slabs.tile_at(source, view, cut, place)
    add_tile(tile, work, view, place, forward, sums, slots)


@leaf
def sums_worker(queue, view, args):
    """Write the three sums of every tile of every line."""
    dy, forward, partial, room = args
    cut = slabs.cut_of(view, forward.x, room.slab, 0)
    here = (dy, forward.x), forward, partial, slabs.sums_of(room, queue[1])
    slabs.each_tile(queue, view, cut, room.slab, False, enter_summing, visit_summing, here)


@leaf
def merge_sums(view, tiles, partial, totals):
    """Add the tiles of each line, in order."""
    batch, _, group, width, _ = view
    slots = group * width
    lines = batch * slots
    for k in range(3):
        for b in range(batch):
            mine = at(totals, k * lines + b * slots)
            clear_all(mine, slots)
            for t in range(b * tiles, (b + 1) * tiles):
                add_all(mine, at(partial, (3 * t + k) * slots), slots)


# --- the input's gradient -------------------------------------------------------------------------


@inlined
def enter_writing(view, cut, place, args):
    """Write the coefficients of a slab's columns."""
    target, forward, table = args
    fill_gradient(target.coefs, view, place, cut.fold, forward, table)


@inlined
def visit_writing(view, cut, place, args):
    """Write dx of a place."""
    slabs.write_tile(pieces.input_gradient, args[0], view, cut, place)


@inlined
def target_of(dx, dy, forward, room, worker, streamed):
    """Return where a worker writes dx, from what and by what."""
    coefs = gradient_arrays(slabs.coefficients_of(room, worker), room.each)
    return Target(dx, (dy, forward.x), coefs, forward.training, streamed)


@leaf
def apply_worker(queue, view, args):
    """Write dx, last rows first, by the coefficients of each statistic."""
    dx, dy, forward, table, room, streamed = args
    cut = slabs.cut_of(view, dx, room.slab, slabs.line_lead(dx, view))
    here = target_of(dx, dy, forward, room, queue[1], streamed), forward, table
    slabs.each_tile(queue, view, cut, room.slab, True, enter_writing, visit_writing, here)
    if streamed:
        fence()


# --- both, slab by slab ---------------------------------------------------------------------------


@leaf
def backward_worker(queue, view, args):
    """Take slabs one by one: sum all their rows, then write their dx, last tile first."""
    dx, dy, forward, totals, table, room, streamed = args
    work, target = (
        slabs.sums_of(room, queue[1]),
        target_of(dx, dy, forward, room, queue[1], streamed),
    )
    batch, _, group, width, run = view
    cut, slots = slabs.cut_of(view, dx, room.slab, slabs.line_lead(dx, view)), group * width
    unit, _ = claim(queue, batch * cut.slabs, 1, False)
    while unit < batch * cut.slabs:
        place = slabs.place_of(cut, room.slab, unit, 0)
        sums, g = at(totals, place.b * slots), place.b * group
        fill_centres(centres_of(work, dx), view, place, cut.fold, forward)
        clear_lines(sums, batch * slots, view, place)
        for t in range(cut.tiles):
            _, tile = slabs.tile_at(target.x, view, cut, slabs.place_of(cut, room.slab, unit, t))
            add_tile(tile, work, view, place, forward, sums, batch * slots)
        first, stop = g + place.start // (width * run), g + place.stop // (width * run)
        finish(view, first, stop, forward, totals, table, dy)
        fill_gradient(target.coefs, view, place, cut.fold, forward, table)
        for t in range(cut.tiles - 1, -1, -1):
            here = slabs.place_of(cut, room.slab, unit, t)
            slabs.write_cached_tile(pieces.input_gradient, target, view, cut, here)
        unit, _ = claim(queue, batch * cut.slabs, 1, False)
    if streamed:
        fence()


@operation
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    to, dy, forward = backward_given(args)
    batch, _, group, width, _ = view
    lines, streamed = batch * group * width, streams(view, to.dx, 3, workers)
    slab, each = slabs.slab_room(view, to.dx, workers)
    cut, fits = slabs.cut_of(view, to.dx, slab, 0), across_fits(view, lanes(to.dx), workers)
    sums = slabs.sums_size(workers, each)
    fixed = sums + slabs.coefficients_size(workers, each, to.dx)
    work = allocate(fixed + 3 * lines + table_size(view) + (0 if fits else 3 * lines * cut.tiles))
    if is_null(work):
        return MEMORY
    totals = at(work, fixed)
    table = table_at(at(totals, 3 * lines), view, to.dx)
    room = slabs.Room(slab, each, work, as_computed(at(work, sums), to.dx))
    if fits:
        given = to.dx, dy, forward, totals, table, room, streamed
        launch(backward_worker, workers, view, given)
    else:
        partial = at(totals, 3 * lines + table_size(view))
        launch(sums_worker, workers, view, (dy, forward, partial, room))
        merge_sums(view, cut.tiles, partial, totals)
        finish(view, 0, batch * group, forward, totals, table, dy)
        launch(apply_worker, workers, view, (to.dx, dy, forward, table, room, streamed))
    put_parameters(view, totals, to)
    release(work)
    return OK
