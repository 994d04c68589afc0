"""Rows: contiguous statistics, each small enough to stay in the first caches.

A row has either a weight and a bias for each of its elements (layer norm), or one of each for all
(instance norm), or `width` lines of one each (group norm). A row may be written while another one,
of the next block, is read: memory then reads and writes at the same time.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.across import settle_vector
from numbanorm.kernels.loops.along import Runs, tile_moments
from numbanorm.kernels.loops.coefficients import deviation_of, slot_coefficients
from numbanorm.kernels.loops.deviations import mean_square
from numbanorm.kernels.loops.far import settle_far
from numbanorm.kernels.loops.overlap import alternating, read_and_write
from numbanorm.kernels.loops.runs import TURNS, Read, Write, read, write
from numbanorm.kernels.loops.statistics import needs_shift
from numbanorm.kernels.simd.memory import lanes
from numbanorm.kernels.simd.pointers import at, get, null, put
from numbanorm.kernels.simd.storage import spare_digits
from numbanorm.kernels.simd.vec import splat, totals

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
