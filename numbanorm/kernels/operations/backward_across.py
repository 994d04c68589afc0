"""Backward operations across memory. `totals` is as in `backward_along`."""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.across import line_totals, tile_gradient
from numbanorm.kernels.loops.coefficients import arrays, fill, repeat
from numbanorm.kernels.loops.columns import Target
from numbanorm.kernels.loops.statistics import around_mean, gradient_centre
from numbanorm.kernels.operations import slabs
from numbanorm.kernels.operations.given import backward_given
from numbanorm.kernels.operations.totals import (
    finish,
    finish_all,
    input_coefficients,
    put_parameters,
    put_totals,
)
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import allocate, as_computed, at, get, is_null, put, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import across_fits, claim, streams


@inlined
def gradient_arrays(coefs, room):
    """Return pointers to six arrays of coefficients."""
    c0, c1, c2, c3, c4 = arrays(coefs, room)
    return c0, c1, c2, c3, c4, at(coefs, 5 * room)


@inlined
def centres_of(work, like):
    """Return where the `gradient_centre` of each column is, of x's type."""
    return as_computed(work[3], like), as_computed(work[4], like)


@inlined
def line_centre(view, forward, line, like):
    """Return a line's mean and its `gradient_centre`."""
    s = line // view[3]
    mean = get(forward.mean, s)
    return mean, gradient_centre(mean, get(forward.rstd, s), like)


@leaf
def fill_centres(centres, view, place, fold, forward):
    """Write the centres of a slab's columns, `fold` times."""
    b, _, start, stop = place
    n, run, slots = stop - start, view[4], view[2] * view[3]
    for slot in range(start // run, stop // run):
        _, centre = line_centre(view, forward, b * slots + slot, forward.x)
        fill(at(centres, slot * run - start), run, centre)
    for k in range(2):
        repeat(centres[k], n, n * fold)


@leaf
def fill_gradient(coefs, view, place, fold, forward, table):
    """Write the coefficients of a slab's columns, `fold` times and a vector more."""
    _, _, group, width, run = view
    b, _, start, stop = place
    n = stop - start
    for slot in range(start // run, stop // run):
        line = b * group * width + slot
        values = input_coefficients(view, forward, table, line, coefs[0])
        fill(at(coefs, slot * run - start), run, values)
    for k in range(6):
        repeat(coefs[k], n, n * fold + lanes(coefs))


@leaf
def add_tile(tile, work, view, place, forward, sums, lines):
    """Add the three sums of each line of a tile to `sums`.

    These are those of the first line of all columns; `lines` is how far the three kinds are apart.
    """
    run, start, slots, x = view[4], place.start, view[2] * view[3], tile.x[1]
    tile_gradient(tile, work, centres_of(work, x))
    for slot in range(start // run, place.stop // run):
        found = line_totals(work, tile.n, tile.fold, slot * run - start, run, x)
        mean, centre = line_centre(view, forward, place.b * slots + slot, x)
        t0, t1, tx = around_mean(found, float(tile.rows * run), mean, centre)
        found = get(sums, slot) + t0, get(sums, lines + slot) + t1, get(sums, 2 * lines + slot) + tx
        put_totals(sums, lines, slot, found)


@inlined
def clear_lines(sums, lines, view, place):
    """Set the three sums of a slab's lines to zero."""
    for slot in range(place.start // view[4], place.stop // view[4]):
        put_totals(sums, lines, slot, (0.0, 0.0, 0.0))


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
            for slot in range(slots):
                put(mine, slot, 0.0)
            for t in range(b * tiles, (b + 1) * tiles):
                for slot in range(slots):
                    more = get(partial, (3 * t + k) * slots + slot)
                    put(mine, slot, get(mine, slot) + more)


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
        for s in range(g + place.start // (width * run), g + place.stop // (width * run)):
            finish(view, s, forward, totals, table, dy)
        fill_gradient(target.coefs, view, place, cut.fold, forward, table)
        for t in range(cut.tiles - 1, -1, -1):
            here = slabs.place_of(cut, room.slab, unit, t)
            slabs.write_tile(pieces.input_gradient, target, view, cut, here)
        unit, _ = claim(queue, batch * cut.slabs, 1, False)
    if streamed:
        fence()


@operation
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    to, dy, forward = backward_given(args)
    batch, _, group, width, _ = view
    lines, streamed = batch * group * width, streams(view, to.dx)
    slab, each = slabs.slab_room(view, to.dx, workers)
    cut, fits = slabs.cut_of(view, to.dx, slab, 0), across_fits(view, lanes(to.dx), workers)
    sums = slabs.sums_size(workers, each)
    fixed = sums + slabs.coefficients_size(workers, each, to.dx)
    work = allocate(fixed + 3 * lines + 5 * batch * group + (0 if fits else 3 * lines * cut.tiles))
    if is_null(work):
        return MEMORY
    totals = at(work, fixed)
    table = at(totals, 3 * lines)
    room = slabs.Room(slab, each, work, as_computed(at(work, sums), to.dx))
    if fits:
        given = to.dx, dy, forward, totals, table, room, streamed
        launch(backward_worker, workers, view, given)
    else:
        partial = at(table, 5 * batch * group)
        launch(sums_worker, workers, view, (dy, forward, partial, room))
        merge_sums(view, cut.tiles, partial, totals)
        finish_all(view, forward, totals, table, dy)
        launch(apply_worker, workers, view, (to.dx, dy, forward, table, room, streamed))
    put_parameters(view, totals, to)
    release(work)
    return OK
