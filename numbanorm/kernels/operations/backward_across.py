"""Backward operations across memory. `totals` is as in `backward_along`."""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.across import add_folds, line_totals, tile_gradient
from numbanorm.kernels.loops.arrays import add_all, clear_all
from numbanorm.kernels.loops.coefficients import arrays, fill, repeat
from numbanorm.kernels.loops.columns import Target
from numbanorm.kernels.loops.gradients import (
    around_mean,
    around_means,
    centres,
    gradient_centre,
    ordinary,
)
from numbanorm.kernels.operations import slabs
from numbanorm.kernels.operations.given import backward_given
from numbanorm.kernels.operations.totals import (
    finish,
    input_coefficients,
    put_parameters,
    put_totals,
    table_at,
    table_size,
)
from numbanorm.kernels.simd.memory import fence, lanes, load, store
from numbanorm.kernels.simd.pointers import (
    allocate,
    as_computed,
    at,
    get,
    is_null,
    put,
    release,
    stack_doubles,
)
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import narrow
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
def statistic_vectors(forward, view, b, slot, room):
    """Return the means and reciprocal deviations of a vector of lines, from a slot on."""
    x, first = forward.x, b * view[2]
    means, deviations = at(forward.mean, first + slot), at(forward.rstd, first + slot)
    if view[3] > 1:
        for k in range(lanes(x)):
            s = first + (slot + k) // view[3]
            put(room, k, get(forward.mean, s))
            put(room, lanes(x) + k, get(forward.rstd, s))
        means, deviations = room, at(room, lanes(x))
    return load_sum(means, x), load_sum(deviations, x)


@inlined
def line_centre(view, forward, line):
    """Return a line's mean and its `gradient_centre`."""
    s = line // view[3]
    mean = get(forward.mean, s)
    return mean, gradient_centre(mean, get(forward.rstd, s), forward.x)


@leaf
def fill_centres(into, view, place, fold, forward):
    """Write the centres of a slab's columns, `fold` times."""
    b, _, start, stop = place
    room, run, slots, x = stack_doubles(32), view[4], view[2] * view[3], forward.x
    slot, n = start // run, stop - start
    while slot < stop // run:
        here = at(into, slot * run - start)
        if run == 1 and slot + lanes(x) <= stop:
            mean, rstd = statistic_vectors(forward, view, b, slot, room)
            if ordinary(mean, rstd, x):
                store(here, centres(mean, rstd, x))
                slot += lanes(x)
                continue
        _, centre = line_centre(view, forward, b * slots + slot)
        fill(here, run, centre)
        slot += 1
    for k in range(2):
        repeat(into[k], n, n * fold)


@leaf
def fill_gradient(coefs, view, place, fold, forward, table):
    """Write the coefficients of a slab's columns, `fold` times and a vector more."""
    _, _, group, width, run = view
    b, _, start, stop = place
    slot, n, like = start // run, stop - start, coefs[0]
    while slot < stop // run:
        here = at(coefs, slot * run - start)
        if width * run == 1 and slot + lanes(like) <= stop:
            copy_coefficients(here, forward, table, b * group + slot, slot)
            slot += lanes(like)
        else:
            line = b * group * width + slot
            fill(here, run, input_coefficients(view, forward, table, line, like))
            slot += 1
    for k in range(6):
        repeat(coefs[k], n, n * fold + lanes(coefs))


@inlined
def copy_coefficients(coefs, forward, table, s, slot):
    """Write `input_coefficients` of a vector of statistics of one line each."""
    like = coefs[0]
    slopes = load_sum(at(forward.rstd, s), like)
    if not is_null(forward.weight):
        slopes = slopes * load_sum(at(forward.weight, slot), like)
    scale, offset, rest, factor, constant = load(at(table, s))
    store(coefs, (narrow(slopes, like), scale, offset, rest, factor, constant))


@leaf
def add_tile(tile, work, view, place, forward, sums, lines):
    """Add the three sums of each line of a tile to `sums`.

    These are those of the first line of all columns; `lines` is how far the three kinds are apart.
    """
    run, slots, x = view[4], view[2] * view[3], tile.x[1]
    count, room = float(tile.rows * run), stack_doubles(96)
    tile_gradient(tile, work, centres_of(work, x))
    fold = tile.fold
    if run == 1 and fold > 1:
        for k in range(3):
            add_folds(work[k], tile.n, fold, x)
        fold = 1
    slot, stop = place.start // run, place.stop // run
    while slot < stop:
        if slot + lanes(x) <= stop and add_vector(
            tile, fold, work, view, place, forward, at(sums, slot), lines, slot, room
        ):
            slot += lanes(x)
            continue
        found = line_totals(work, tile.n, fold, slot * run - place.start, run, x)
        mean, centre = line_centre(view, forward, place.b * slots + slot)
        t0, t1, tx = around_mean(found, count, mean, centre)
        found = get(sums, slot) + t0, get(sums, lines + slot) + t1, get(sums, 2 * lines + slot) + tx
        put_totals(sums, lines, slot, found)
        slot += 1


@inlined
def add_vector(tile, fold, work, view, place, forward, sums, lines, slot, room):
    """Do that for a vector of lines, if all are ordinary; else return False.

    The arithmetic is that of `line_totals` and `around_mean`, lane by lane.
    """
    run, x, step = view[4], tile.x[1], lanes(tile.x[1])
    mean, rstd = statistic_vectors(forward, view, place.b, slot, room)
    if not ordinary(mean, rstd, x):
        return False
    first, three = slot * run - place.start, at(room, 2 * step)
    here = three, at(three, step), at(three, 2 * step)
    if run == 1:
        found = load_sum(at((work[0], work[1], work[2]), first), x)
    else:
        for k in range(step):
            s0, s1, sx = line_totals(work, tile.n, fold, first + k * run, run, x)
            put(here[0], k, s0)
            put(here[1], k, s1)
            put(here[2], k, sx)
        found = load_sum(here, x)
    centre, count = centres(mean, rstd, x), float(tile.rows * run)
    t0, t1, tx = around_means(found, count, mean, centre, x)
    into = sums, at(sums, lines), at(sums, 2 * lines)
    s0, s1, sx = load_sum(into, x)
    store(into, (s0 + t0, s1 + t1, sx + tx))
    return True


@inlined
def clear_lines(sums, lines, view, place):
    """Set the three sums of a slab's lines to zero."""
    first, n = place.start // view[4], (place.stop - place.start) // view[4]
    for k in range(3):
        clear_all(at(sums, k * lines + first), n)


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
