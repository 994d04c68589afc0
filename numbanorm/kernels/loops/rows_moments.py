"""Moments and coefficients of rows: contiguous statistics, a block of them at a time, a lane each.

The sums are those of `along_moments`, to the bit, without a detour through memory.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.across_coefficients import fill_vector
from numbanorm.kernels.loops.across_moments import settle_vector
from numbanorm.kernels.loops.along_moments import tile_moments
from numbanorm.kernels.loops.deviations import mean_square
from numbanorm.kernels.loops.far import settle_far
from numbanorm.kernels.loops.statistics import (
    coefficients,
    needs_shift,
    or_else,
    reciprocal_deviation,
)
from numbanorm.kernels.simd.memory import lanes, load, load_first, no_sum
from numbanorm.kernels.simd.pointers import at, get, put
from numbanorm.kernels.simd.storage import spare_digits
from numbanorm.kernels.simd.vec import fma, total, widen


@inlined
def row_sums(x, n):
    """Return the sums of n elements and of their squares, added up as `read` and `settle` do."""
    step = lanes(x)
    a0, a1, b0, b1 = no_sum(x), no_sum(x), no_sum(x), no_sum(x)
    pairs = n - n % (2 * step)
    for i in range(0, pairs, 2 * step):
        u, v = widen(load(at(x, i))), widen(load(at(x, i + step)))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
    if pairs < n:
        u = widen(load_first(at(x, pairs), n - pairs))
        v = widen(load_first(at(x, pairs + step), n - pairs - step))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
    return total(a0 + a1), total(b0 + b1)


@leaf
def read_rows(x, rows, n, s1, s2):
    """Write the sums of each row of n elements, and of their squares."""
    for k in range(rows):
        plain, squares = row_sums(at(x, k * n), n)
        put(s1, k, plain)
        put(s2, k, squares)


@leaf
def settle_rows(sums, x, rows, n, s1, s2, mean, m2):
    """Turn the sums of rows of at most one tile into means and sums of squared deviations.

    `sums` has room for a tile's sums.
    """
    if rows == lanes(x) and settle_vector(s1, s2, 0, rows, float(n), 0.0, mean, m2, x):
        return
    for k in range(rows):
        centre = get(s1, k) / float(n)
        deviations = get(s2, k) - get(s1, k) * centre
        if needs_shift(deviations, get(s2, k), x):
            _, centre, deviations = tile_moments(sums, at(x, k * n), 1, n, n, 0)
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


@leaf
def row_coefficients(coefs, rows, mean, var, eps, weight, bias, slot):
    """Write the coefficients of `rows` rows, whose weights and biases are those from `slot` on.

    Five arrays of as many elements as a vector has lanes.
    """
    room = lanes(coefs)
    if rows == room and fill_vector(coefs, room, mean, var, eps, weight, bias, slot):
        return
    for k in range(rows):
        rstd = reciprocal_deviation(get(var, k), eps, coefs)
        weighted, biased = or_else(weight, slot + k, 1.0), or_else(bias, slot + k, 0.0)
        found = coefficients(get(mean, k), rstd, weighted, biased, coefs)
        for i in range(5):
            put(coefs, i * room + k, float(found[i]))
