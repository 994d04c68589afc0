"""Gradients of rows whose elements have a weight each.

Their parameters' gradients are as large as a row, and a row's own sums need its weights. Some rows
are read for their sums, then, from the cache, written and added to the parameters' sums: float64
vectors in memory, those of a tile of rows in one worker's cache. Memory is asked for the next rows
meanwhile.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.along import Runs, cut
from numbanorm.kernels.loops.far import row_products
from numbanorm.kernels.loops.gradients import (
    around_mean,
    gradient_centre,
    gradient_coefficients,
    mean_error,
)
from numbanorm.kernels.loops.runs import PAIRS, Read, peel, put_vector, read
from numbanorm.kernels.loops.statistics import gradient_scale
from numbanorm.kernels.simd.edges import store_part
from numbanorm.kernels.simd.memory import lanes, load_or, load_part, prefetch
from numbanorm.kernels.simd.pointers import at, at_if, get, is_null, put, rounded, surely
from numbanorm.kernels.simd.storage import largest
from numbanorm.kernels.simd.sums import load_sum, no_vector
from numbanorm.kernels.simd.vec import few_registers, splat, totals, widen
from numbanorm.kernels.tiles import along_tiles
from numbanorm.plan.tuning import ROW_AHEAD

# The numbers of a `row_table`.
TABLE = 7

# Whether two vectors of columns are worked on at once.
TWO = not few_registers()


@leaf
def tile_gradient(dy, x, n, weight, mean, rstd, tile):
    """Return the three sums of one tile of a row of n elements."""
    _, _, start, stop = cut(Runs(1, n, n), tile)
    none, here, centre = pieces.no_gradients(x), at((dy, x), start), gradient_centre(mean, rstd, x)
    run = Read(here, stop - start, splat(centre), at_if(weight, start))
    first, second = read(pieces.gradient, (none, none), run, ROW_AHEAD, PAIRS)
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
    """Write what `input_gradient_elements` needs to know of a row, `TABLE` numbers, from its sums.

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
    # Beyond what x's type holds only for constants, whose x - mean is 0.
    put(table, 6, min(rstd / gradient_scale(mean + error, rstd, x), largest(x)))


@inlined
def table_vectors(table):
    """Return a vector of each number of `row_table`."""
    return (
        splat(rounded(table, get(table, 0))),
        splat(rounded(table, get(table, 1))),
        splat(rounded(table, get(table, 2))),
        splat(rounded(table, get(table, 3))),
        splat(rounded(table, get(table, 4))),
        splat(rounded(table, get(table, 5))),
        splat(rounded(table, get(table, 6))),
    )


class Gradients(NamedTuple):
    """Rows with the same weights, whose dx are to be written, `dx` to the first.

    `source` are dy and x of the first; there are `count`, each `stride` elements after the last,
    with a `row_table` each, `tables` apart. What is so many elements `ahead` is asked for.
    """

    dx: Any
    source: Any
    count: Any
    stride: Any
    table: Any
    tables: Any
    ahead: Any
    streamed: Any


@leaf
def write_gradients(rows, n, weight, dweight, dbias):
    """Write dx of n columns of rows, and add to the sums of the gradients of their parameters.

    The weights may be null. A vector of columns is written down all rows: the float64 sums are read
    and written once for that, and added to in x's type meanwhile.
    """
    # Testing for a weight in the loop would keep loads and conversions apart.
    if is_null(weight):
        write_columns(rows, n, None, (dweight, dbias))
    else:
        write_columns(rows, n, surely(weight), (dweight, dbias))


@inlined
def write_columns(rows, n, weight, sums):
    """Do what `write_gradients` does, for weights or None."""
    step = lanes(rows.dx)
    # Rows lie alike in cache lines if these are whole ones.
    head = peel(rows.dx, n, rows.streamed) if rows.stride % step == 0 else 0
    before, last = step - head, n - (n - head) % step
    if head > 0:
        write_column(rows, weight, sums, -before, (before, step))
    two = last - (last - head) % (2 * step) if TWO else head
    for j in range(head, two, 2 * step):
        write_two(rows, weight, sums, j, j + step)
    for j in range(two, last, step):
        write_column(rows, weight, sums, j, None)
    if last < n:
        write_column(rows, weight, sums, last, (0, n - last))


@inlined
def write_column(rows, weight, sums, j, part):
    """Write a vector of columns, or a part of one, of all rows."""
    w, none = weights_at(rows, weight, j, part), no_vector(rows.dx)
    found = none, none
    for r in range(rows.count):
        coefs = table_vectors(at(rows.table, r * rows.tables))
        found = write_one(rows, r * rows.stride + j, coefs, w, found, part)
    add_found(sums, j, found, part)


@inlined
def write_two(rows, weight, sums, j, k):
    """Write two vectors of columns of all rows, so that a row's numbers are read once for both.

    The gradients of layer norm took 0.9 of the time in a cache, on one thread of an EPYC (Zen 5),
    2026-11-27; with AVX2, which has too few registers for that, 1.4 times as long.
    """
    w, none = weights_at(rows, weight, j, None), no_vector(rows.dx)
    v, first, second = weights_at(rows, weight, k, None), (none, none), (none, none)
    for r in range(rows.count):
        i, coefs = r * rows.stride, table_vectors(at(rows.table, r * rows.tables))
        first = write_one(rows, i + j, coefs, w, first, None)
        second = write_one(rows, i + k, coefs, v, second, None)
    add_found(sums, j, first, None)
    add_found(sums, k, second, None)


@inlined
def weights_at(rows, weight, j, part):
    """Return a vector of the weights of columns."""
    return load_or(weight, j, part, pieces.one(rows.dx))


@inlined
def write_one(rows, i, coefs, w, found, part):
    """Write the vector at i; returns what was found with it."""
    prefetch(at(rows.source, i + rows.ahead))
    v = load_part(at(rows.source, i), part)
    result, found = pieces.input_gradient_elements(v, coefs, w, found)
    if part is None:
        put_vector(at(rows.dx, i), result, rows.streamed)
    else:
        store_part(at(rows.dx, i), result, part)
    return found


@inlined
def add_found(sums, j, found, part):
    """Add what was found of columns to the sums of their parameters' gradients."""
    here, before = at(sums, j), load_sum(at(sums, j), found[0])
    store_part(here, (before[0] + widen(found[0]), before[1] + widen(found[1])), part)
