"""Backward operations across memory. `totals` is as in `backward_along`."""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.across import line_totals, tile_gradient
from numbanorm.kernels.loops.coefficients import arrays, fill, repeat
from numbanorm.kernels.loops.columns import Target, lines_agree, write_rows
from numbanorm.kernels.loops.pieces import input_gradient
from numbanorm.kernels.operations.given import backward_given
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


@leaf
def fill_means(work, view, b, start, n, fold, mean):
    """Write the means of n columns of batch entry b from `start` on, `fold` times."""
    _, _, group, width, run = view
    means = work[3]
    for j in range(n):
        put(means, j, get(mean, b * group + (start + j) // (width * run)))
    repeat(means, n, n * fold)


@leaf
def fill_gradient(coefs, view, b, start, n, fold, forward, table):
    """Write the coefficients of those columns, and a vector more."""
    _, _, group, width, run = view
    for slot in range(start // run, (start + n) // run):
        line = b * group * width + slot
        values = input_coefficients(view, forward, table, line, coefs[0])
        fill(at(coefs, slot * run - start), run, values)
    for k in range(6):
        repeat(coefs[k], n, n * fold + lanes(coefs))


@leaf
def add_tile(tile, work, view, start, sums, lines):
    """Add the three sums of each line of a tile's columns, which begin at `start`, to `sums`.

    These are those of the first line of all columns; `lines` is how far the three kinds are apart.
    """
    _, _, _, n, fold = tile
    run = view[4]
    tile_gradient(tile, work)
    for slot in range(start // run, (start + n) // run):
        t0, t1, tx = line_totals(work, n, fold, slot * run - start, run, tile.x[1])
        found = get(sums, slot) + t0, get(sums, lines + slot) + t1, get(sums, 2 * lines + slot) + tx
        put_totals(sums, lines, slot, found)


@inlined
def clear_lines(sums, lines, first, stop):
    """Set the three sums of lines to zero."""
    for slot in range(first, stop):
        put_totals(sums, lines, slot, (0.0, 0.0, 0.0))


@inlined
def write_tile(dx, source, view, cut, b, tile, start, stop, coefs, training, streamed):
    """Write dx for columns [start, stop) of a tile."""
    e, (there, rows, columns, n, fold) = tile_at(source, view, cut, b, tile, start, stop)
    target = Target(at(dx, e), there, coefs, training, streamed)
    whole = lines_agree(at(dx, e), n, columns, fold)
    write_rows(input_gradient, target, rows, columns, n, fold, whole)


# --- sums ---------------------------------------------------------------------------------------


@leaf
def sums_worker(queue, view, args):
    """Write the three sums of every tile of every line, tile by tile."""
    dy, forward, partial, room = args
    work, source = sums_of(room, queue[1]), (dy, forward.x)
    cut, slots = cut_of(view, forward.x, room.slab, 0), view[2] * view[3]
    units = view[0] * cut.tiles * cut.slabs
    filled = -1
    unit, _ = claim(queue, units, 1, False)
    while unit < units:
        b, tile = unit // (cut.tiles * cut.slabs), unit % cut.tiles
        start, stop = bounds(cut, room.slab, unit // cut.tiles % cut.slabs)
        if unit // cut.tiles != filled:
            fill_means(work, view, b, start, stop - start, cut.fold, forward.mean)
            filled = unit // cut.tiles
        sums = at(partial, 3 * (b * cut.tiles + tile) * slots)
        clear_lines(sums, slots, start // view[4], stop // view[4])
        _, here = tile_at(source, view, cut, b, tile, start, stop)
        add_tile(here, work, view, start, sums, slots)
        unit, _ = claim(queue, units, 1, False)


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


@leaf
def apply_worker(queue, view, args):
    """Write dx, last rows first, by the coefficients of each statistic."""
    dx, dy, forward, table, room, streamed = args
    coefs = gradient_arrays(coefficients_of(room, queue[1]), room.each)
    cut, source = cut_of(view, dx, room.slab, line_lead(dx, view)), (dy, forward.x)
    units = view[0] * cut.tiles * cut.slabs
    filled = -1
    unit, _ = claim(queue, units, 1, True)
    while unit < units:
        b, tile = unit // (cut.tiles * cut.slabs), unit % cut.tiles
        start, stop = bounds(cut, room.slab, unit // cut.tiles % cut.slabs)
        if unit // cut.tiles != filled:
            fill_gradient(coefs, view, b, start, stop - start, cut.fold, forward, table)
            filled = unit // cut.tiles
        training = forward.training
        write_tile(dx, source, view, cut, b, tile, start, stop, coefs, training, streamed)
        unit, _ = claim(queue, units, 1, True)
    if streamed:
        fence()


# --- both, slab by slab ---------------------------------------------------------------------------


@leaf
def backward_worker(queue, view, args):
    """Take slabs one by one: sum all their rows, then write their dx, last tile first."""
    dx, dy, forward, totals, table, room, streamed = args
    work, source = sums_of(room, queue[1]), (dy, forward.x)
    coefs = gradient_arrays(coefficients_of(room, queue[1]), room.each)
    batch, _, group, width, run = view
    cut, lines = cut_of(view, dx, room.slab, line_lead(dx, view)), batch * group * width
    unit, _ = claim(queue, batch * cut.slabs, 1, False)
    while unit < batch * cut.slabs:
        b = unit // cut.slabs
        start, stop = bounds(cut, room.slab, unit % cut.slabs)
        n, sums = stop - start, at(totals, b * group * width)
        fill_means(work, view, b, start, n, cut.fold, forward.mean)
        clear_lines(sums, lines, start // run, stop // run)
        for t in range(cut.tiles):
            _, tile = tile_at(source, view, cut, b, t, start, stop)
            add_tile(tile, work, view, start, sums, lines)
        for g in range(start // (width * run), stop // (width * run)):
            finish(view, b * group + g, forward, totals, table, dy)
        fill_gradient(coefs, view, b, start, n, cut.fold, forward, table)
        training = forward.training
        for t in range(cut.tiles - 1, -1, -1):
            write_tile(dx, source, view, cut, b, t, start, stop, coefs, training, streamed)
        unit, _ = claim(queue, batch * cut.slabs, 1, False)
    if streamed:
        fence()


@operation
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    to, dy, forward = backward_given(args)
    batch, _, group, width, _ = view
    lines, streamed = batch * group * width, streams(view, to.dx)
    slab, each = slab_room(view, to.dx, workers)
    cut, fits = cut_of(view, to.dx, slab, 0), across_fits(view, lanes(to.dx), workers)
    sums = sums_size(workers, each)
    fixed = sums + coefficients_size(workers, each, to.dx)
    work = allocate(fixed + 3 * lines + 5 * batch * group + (0 if fits else 3 * lines * cut.tiles))
    if is_null(work):
        return MEMORY
    totals = at(work, fixed)
    table = at(totals, 3 * lines)
    room = Room(slab, each, work, as_computed(at(work, sums), to.dx))
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
