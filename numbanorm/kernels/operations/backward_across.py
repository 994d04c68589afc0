"""Backward operations across memory. `totals` is as in `backward_along`."""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import leaf
from numbanorm.kernels.loops.across_coefficients import repeat
from numbanorm.kernels.loops.across_gradient import (
    continue_columns,
    fill_line,
    gradient_rows,
    sum_gradient_tile,
)
from numbanorm.kernels.loops.across_moments import column_total
from numbanorm.kernels.operations.backward_along import (
    backward_given,
    finish,
    finish_all,
    line_slope,
    put_parameters,
    put_totals,
    stored,
)
from numbanorm.kernels.operations.forward_across import (
    coefficient_room,
    line_lead,
    lines_agree,
    slab_room,
)
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import allocate, as_like, at, get, is_null, put, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import (
    across_fits,
    across_tiles,
    claim,
    folds,
    padded,
    slab_bounds,
    slab_count,
    streams,
)

# Arrays of `room` elements that a worker needs.
SUMS, COEFFICIENTS = 4, 6


@leaf
def fill_means(work, room, view, b, start, n, fold, mean):
    """Write the means of n columns of batch entry b from `start` on, `fold` times."""
    _, _, group, width, run = view
    means = at(work, 3 * room)
    for j in range(n):
        put(means, j, get(mean, b * group + (start + j) // (width * run)))
    repeat(means, 1, room, n, n * fold)


@leaf
def fill_gradient(coefs, room, view, b, start, n, fold, rstd, weight, table):
    """Write all coefficients of those columns; `table` has five of each statistic, by `finish`."""
    _, _, group, width, run = view
    for slot in range(start // run, (start + n) // run):
        line, first = b * group * width + slot, slot * run - start
        found = stored(table, line // width, coefs)
        for k in range(5):
            fill_line(coefs, room, k, first, run, found[k])
        fill_line(coefs, room, 5, first, run, line_slope(view, line, rstd, weight, coefs))
    continue_columns(coefs, room, 6, n, fold)


@leaf
def line_totals(work, room, view, n, fold, slot, start, like):
    """Return the three sums of one line of a tile, from its column sums."""
    run = view[4]
    first = slot * run - start
    return (
        column_total(work, first, run, fold, n, like),
        column_total(at(work, room), first, run, fold, n, like),
        column_total(at(work, 2 * room), first, run, fold, n, like),
    )


# --- sums ---------------------------------------------------------------------------------------


@leaf
def sums_worker(queue, view, args):
    """Write the three sums of every tile of every line, tile by tile."""
    dy, x, mean, partial, slab, work, room = args
    work = at(work, queue[1] * SUMS * room)
    batch, outer, group, width, run = view
    columns, slots = group * width * run, group * width
    fold = folds(columns, lanes(x))
    rows, tiles = across_tiles(outer, columns, fold)
    slabs = slab_count(columns, slab, 0)
    units = batch * tiles * slabs
    filled = -1
    unit, _ = claim(queue, units, 1, False)
    while unit < units:
        b, tile = unit // (tiles * slabs), unit % tiles
        start, stop = slab_bounds(columns, slab, 0, unit // tiles % slabs)
        n = stop - start
        if unit // tiles != filled:
            fill_means(work, room, view, b, start, n, fold, mean)
            filled = unit // tiles
        i = (b * outer + tile * rows) * columns + start
        here = min(rows, outer - tile * rows)
        sum_gradient_tile(at(dy, i), at(x, i), here, columns, n, fold, work, room)
        base = at(partial, 3 * (b * tiles + tile) * slots)
        for slot in range(start // run, stop // run):
            found = line_totals(work, room, view, n, fold, slot, start, x)
            put_totals(base, slots, slot, found)
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
    dx, dy, x, weight, rstd, table, training, slab, coefs, room, streamed = args
    coefs = at(coefs, queue[1] * COEFFICIENTS * room + lanes(x))
    batch, outer, group, width, run = view
    columns = group * width * run
    fold = folds(columns, lanes(x))
    rows, tiles = across_tiles(outer, columns, fold)
    lead = line_lead(dx, view)
    slabs = slab_count(columns, slab, lead)
    units = batch * tiles * slabs
    filled = -1
    unit, _ = claim(queue, units, 1, True)
    while unit < units:
        b, tile = unit // (tiles * slabs), unit % tiles
        start, stop = slab_bounds(columns, slab, lead, unit // tiles % slabs)
        n = stop - start
        if unit // tiles != filled:
            fill_gradient(coefs, room, view, b, start, n, fold, rstd, weight, table)
            filled = unit // tiles
        e = (b * outer + tile * rows) * columns + start
        whole = lines_agree(at(dx, e), n, columns, fold)
        here = min(rows, outer - tile * rows)
        gradient_rows(
            at(dx, e),
            at(dy, e),
            at(x, e),
            here,
            columns,
            n,
            fold,
            whole,
            coefs,
            room,
            training,
            streamed,
        )
        unit, _ = claim(queue, units, 1, True)
    if streamed:
        fence()


# --- both, slab by slab ---------------------------------------------------------------------------


@leaf
def backward_worker(queue, view, args):
    """Take slabs one by one: sum all their rows, then write their dx, last tile first."""
    (
        dx, dy, x, weight, mean, rstd, totals, table, training, slab, work, coefs, room, streamed,
    ) = args  # fmt: skip
    work = at(work, queue[1] * SUMS * room)
    coefs = at(coefs, queue[1] * COEFFICIENTS * room + lanes(x))
    batch, outer, group, width, run = view
    columns, slots, lines = group * width * run, group * width, batch * group * width
    fold = folds(columns, lanes(x))
    rows, tiles = across_tiles(outer, columns, fold)
    lead = line_lead(dx, view)
    slabs = slab_count(columns, slab, lead)
    unit, _ = claim(queue, batch * slabs, 1, False)
    while unit < batch * slabs:
        b = unit // slabs
        start, stop = slab_bounds(columns, slab, lead, unit % slabs)
        n, base = stop - start, b * outer * columns + start
        fill_means(work, room, view, b, start, n, fold, mean)
        for slot in range(start // run, stop // run):
            put_totals(totals, lines, b * slots + slot, (0.0, 0.0, 0.0))
        for t in range(tiles):
            e, here = base + t * rows * columns, min(rows, outer - t * rows)
            sum_gradient_tile(at(dy, e), at(x, e), here, columns, n, fold, work, room)
            for slot in range(start // run, stop // run):
                line = b * slots + slot
                t0, t1, tx = line_totals(work, room, view, n, fold, slot, start, x)
                t0, t1 = get(totals, line) + t0, get(totals, lines + line) + t1
                put_totals(totals, lines, line, (t0, t1, get(totals, 2 * lines + line) + tx))
        for g in range(start // (width * run), stop // (width * run)):
            found = finish(view, b * group + g, mean, rstd, weight, totals, training, dy, x)
            for i in range(5):
                put(table, 5 * (b * group + g) + i, float(found[i]))
        fill_gradient(coefs, room, view, b, start, n, fold, rstd, weight, table)
        for i in range(tiles):
            t = tiles - 1 - i
            e, here = base + t * rows * columns, min(rows, outer - t * rows)
            whole = lines_agree(at(dx, e), n, columns, fold)
            gradient_rows(
                at(dx, e),
                at(dy, e),
                at(x, e),
                here,
                columns,
                n,
                fold,
                whole,
                coefs,
                room,
                training,
                streamed,
            )
        unit, _ = claim(queue, batch * slabs, 1, False)
    if streamed:
        fence()


@operation
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    dx, dweight, dbias, dy, x, weight, mean, rstd, training, _ = backward_given(args)
    batch, _, group, width, _ = view
    lines, streamed = batch * group * width, streams(view, x)
    slab, room, tiles = slab_room(view, x, workers)
    fits = across_fits(view, lanes(x), workers)
    sums, coefs = padded(workers * SUMS * room), coefficient_room(x, COEFFICIENTS, room, workers)
    partials = 0 if fits else 3 * lines * tiles
    work = allocate(sums + padded(coefs) + 3 * lines + 5 * batch * group + partials)
    if is_null(work):
        return MEMORY
    totals = at(work, sums + padded(coefs))
    coefs, table = as_like(at(work, sums), x), at(totals, 3 * lines)
    if fits:
        given = dx, dy, x, weight, mean, rstd, totals, table, training
        launch(backward_worker, workers, view, (*given, slab, work, coefs, room, streamed))
    else:
        partial = at(table, 5 * batch * group)
        launch(sums_worker, workers, view, (dy, x, mean, partial, slab, work, room))
        merge_sums(view, tiles, partial, totals)
        finish_all(view, mean, rstd, weight, totals, table, training, dy, x)
        given = dx, dy, x, weight, rstd, table, training
        launch(apply_worker, workers, view, (*given, slab, coefs, room, streamed))
    put_parameters(view, totals, dweight, dbias)
    release(work)
    return OK
