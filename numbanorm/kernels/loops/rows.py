"""Rows: contiguous statistics, each small enough to stay in the first caches.

A row has either a weight and a bias for each of its elements (layer norm), or one of each for all
(instance norm), or `width` lines of one each (group norm). A row may be written while another one,
of the next block, is read: memory then reads and writes at the same time.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.across import settle_vector
from numbanorm.kernels.loops.along import Runs, cut, tile_moments
from numbanorm.kernels.loops.coefficients import deviation_of, slot_coefficients
from numbanorm.kernels.loops.deviations import mean_square
from numbanorm.kernels.loops.far import row_products, settle_far
from numbanorm.kernels.loops.gradients import (
    around_mean,
    gradient_centre,
    gradient_coefficients,
    mean_error,
)
from numbanorm.kernels.loops.overlap import alternating, read_and_write
from numbanorm.kernels.loops.runs import (
    PAIRS,
    TURNS,
    Read,
    Write,
    alone,
    read,
    write,
)
from numbanorm.kernels.loops.statistics import gradient_scale, needs_shift
from numbanorm.kernels.simd.memory import lanes
from numbanorm.kernels.simd.pointers import at, at_if, get, is_null, null, put, rounded, surely
from numbanorm.kernels.simd.storage import spare_digits
from numbanorm.kernels.simd.vec import splat, splat_wide, totals
from numbanorm.kernels.tiles import along_tiles

# --- moments --------------------------------------------------------------------------------------


@leaf
def read_rows(x, rows, n, s1, s2):
    """Write the sums of each row of n elements, and of their squares."""
    for k in range(rows):
        none = pieces.no_moments(x)
        first, second = read(pieces.moment, (none, none), Read(at(x, k * n), n, (), None), 0, TURNS)
        plain, squares = totals(first, second)
        put(s1, k, plain)
        put(s2, k, squares)


@leaf
def settle_row(x, n, plain, squares):
    """Turn the sums of a row of at most one tile into its mean and sum of squared deviations."""
    mean = plain / float(n)
    m2 = squares - plain * mean
    if needs_shift(m2, squares, x):
        _, mean, m2 = tile_moments(x, Runs(1, n, n), 0)
    return mean, m2


@leaf
def settle_rows(x, rows, n, s1, s2, mean, m2):
    """Do that for each of some rows."""
    if rows == lanes(x) and settle_vector(s1, s2, 0, rows, float(n), 0.0, mean, m2, x):
        return
    for k in range(rows):
        centre, deviations = settle_row(at(x, k * n), n, get(s1, k), get(s2, k))
        put(mean, k, centre)
        put(m2, k, deviations)


@leaf
def finish_rows(view, x, row, rows, centred, mean, var):
    """Turn sums of squared deviations into variances, or if not `centred` into mean squares.

    A row that is not centred is one with the mean 0. x, mean and var are those of all rows.
    """
    for k in range(row, row + rows):
        square = get(var, k) / float(view[3] * view[4])
        if not spare_digits(x):
            put(var, k, square)
            settle_far(view, x, k, 1, mean, var)
            square = get(var, k)
        if not centred:
            square = mean_square(get(mean, k), square, x)
            put(mean, k, 0.0)
        put(var, k, square)


# --- normalising ----------------------------------------------------------------------------------


@inlined
def write_row(apply, row, z, more):
    """Write a row; return the sums of `more` elements of z, and of their squares."""
    none, source = pieces.no_moments(z), Read(z, more, (), None)
    first, second = read_and_write(
        alternating, pieces.moment, (none, none), source, TURNS, apply, row, more, 0
    )
    return totals(first, second)


@leaf
def normalize_row(row, z, more, elementwise):
    """Do that, for a row whose elements have a weight and a bias each, or not."""
    if elementwise:
        return write_row(pieces.normalize_elements, row, z, more)
    return write_row(pieces.normalize, row, z, more)


@leaf
def normalize_lines(y, x, view, row, norm, streamed):
    """Normalise a row of `width` lines, each of one weight and bias, asking for the next row."""
    _, _, group, width, run = view
    centre, rstd = deviation_of(norm, row, x)
    slot, ahead = row % group * width, width * run
    joined, together = False, streamed and run >= 2 * lanes(x)
    # Of the type that rows have: what is compiled for those serves here.
    none = null(norm.weight), null(norm.weight)
    after = slot_coefficients(norm, centre, rstd, slot, x)
    for k in range(width):
        coefs, joins = splat(after), together and k + 1 < width
        if k + 1 < width:
            after = slot_coefficients(norm, centre, rstd, slot + k + 1, x)
        here, there = at(y, k * run), at(x, k * run)
        line = Write(here, there, run, coefs, none, splat(after), joined, joins, streamed)
        write(pieces.normalize, line, ahead)
        joined = joins


# --- gradients of rows whose elements have a weight each ------------------------------------------

# Their parameters' gradients are as large as a row, and a row's own sums need its weights. A row is
# read for its sums, then, from the cache, written and added to the parameters' sums: float64
# vectors in memory, those of a tile of rows in one worker's cache.


@leaf
def tile_gradient(dy, x, n, weight, mean, rstd, tile):
    """Return the three sums of one tile of a row of n elements."""
    _, _, start, stop = cut(Runs(1, n, n), tile)
    none, here, centre = pieces.no_gradients(x), at((dy, x), start), gradient_centre(mean, rstd, x)
    run = Read(here, stop - start, splat(centre), at_if(weight, start))
    first, second = read(pieces.gradient, (none, none), run, 0, PAIRS)
    return around_mean(totals(first, second), float(stop - start), mean, centre)


@leaf
def row_gradient(dy, x, n, weight, mean, rstd):
    """Return the three sums of a row, its tiles added in order."""
    s0, s1, sx = 0.0, 0.0, 0.0
    _, _, tiles = along_tiles(1, n)
    for tile in range(tiles):
        t0, t1, tx = tile_gradient(dy, x, n, weight, mean, rstd, tile)
        s0, s1, sx = s0 + t0, s1 + t1, sx + tx
    return s0, s1, sx


@leaf
def row_table(table, dy, x, n, weight, mean, rstd, centred, sums):
    """Write what `input_gradient_elements` needs to know of a row, in float64, from its sums.

    That is its `gradient_coefficients`, rstd, and what x_hat is in units of their centre.
    """
    s0, s1, sx = sums
    error = mean_error(sx, float(n), mean, x) if centred else 0.0
    s1 = row_products(s1 - error * s0, dy, x, n, weight, mean, error, rstd)
    s0 = s0 if centred else 0.0
    found = gradient_coefficients(mean, rstd, error, s0, s1, float(n), True, x)
    for i in range(5):
        put(table, i, float(found[i]))
    put(table, 5, rstd)
    put(table, 6, rstd / gradient_scale(mean + error, rstd, x))


@inlined
def table_vectors(table, like):
    """Return a vector of each number of `row_table`; x_hat's unit is a wide one."""
    return (
        splat(rounded(like, get(table, 0))),
        splat(rounded(like, get(table, 1))),
        splat(rounded(like, get(table, 2))),
        splat(rounded(like, get(table, 3))),
        splat(rounded(like, get(table, 4))),
        splat(rounded(like, get(table, 5))),
        splat_wide(get(table, 6), like),
    )


@inlined
def write_gradient(row, following, weight):
    """Do what `gradient_row` does, for weights or None."""
    z, more, (mean, rstd), _ = following
    none, centre = pieces.no_gradients(row.y), gradient_centre(mean, rstd, row.y)
    source = Read(z, more, splat(centre), weight)
    kind, apply = pieces.gradient, pieces.input_gradient_elements
    first, second = read_and_write(
        alternating, kind, (none, none), source, PAIRS, apply, row, more, 0
    )
    return around_mean(totals(first, second), float(more), mean, centre)


@leaf
def gradient_row(dx, here, n, table, parameters, following, streamed):
    """Write n contiguous elements of dx, and add to the sums of their parameters' gradients.

    `here` points to dy and x. `parameters` are the weights, which may be null, and the sums, which
    have memory for a vector on both sides. Meanwhile another row is read: returns the three sums of
    what is `following`, (dy and x, how many elements, (mean, rstd), weight).
    """
    weight, dweight, dbias = parameters
    coefs, zweight = table_vectors(table, dx), following[3]
    # Testing for a weight in the loop would keep loads and conversions apart: 1.2 times as slow.
    if is_null(weight):
        row = alone(dx, here, n, coefs, (None, dweight, dbias), streamed)
        return write_gradient(row, following, None)
    row = alone(dx, here, n, coefs, (weight, dweight, dbias), streamed)
    return write_gradient(row, following, surely(zweight))
