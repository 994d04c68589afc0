"""What backward operations across memory know of columns: what sums are taken around, the sums of
tiles, and coefficients. A vector of columns is worked on at a time where all are ordinary.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.across import add_folds, line_totals, tile_gradient
from numbanorm.kernels.loops.arrays import clear_all
from numbanorm.kernels.loops.coefficients import fill, of_lines, repeat
from numbanorm.kernels.loops.gradients import (
    around_mean,
    around_means,
    centres,
    gradient_centre,
    ordinary,
)
from numbanorm.kernels.operations.totals import (
    input_coefficients,
    put_totals,
)
from numbanorm.kernels.simd.memory import lanes, load, store
from numbanorm.kernels.simd.pointers import at, get, is_null, put
from numbanorm.kernels.simd.room import as_computed, stack_doubles
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import narrow


@inlined
def centres_of(work, like):
    """Return where the `gradient_centre` of each column is, of x's type."""
    return as_computed(work[3], like), as_computed(work[4], like)


@inlined
def statistic_vectors(forward, view, b, slot, room):
    """Return the means and reciprocal deviations of a vector of lines, from a slot on."""
    x, first, width = forward.x, b * view[2], view[3]
    means = of_lines(forward.mean, first, slot, width, room, x)
    deviations = of_lines(forward.rstd, first, slot, width, at(room, lanes(x)), x)
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
