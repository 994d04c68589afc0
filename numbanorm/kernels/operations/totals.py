"""From the sums of lines to gradients: of parameters, and what is needed for the input's.

`totals` is described in `backward_along`; `table` are five arrays of `gradient_coefficients`, with
a value, of what is computed with, for each statistic.
"""

import math

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.arrays import add_all, round_all
from numbanorm.kernels.loops.coefficients import arrays, coefficients_at
from numbanorm.kernels.loops.far import line_products
from numbanorm.kernels.loops.gradients import (
    gradient_coefficients,
    mean_error,
    mean_errors,
    ordinary,
    put_coefficient_vectors,
    put_coefficients,
)
from numbanorm.kernels.loops.statistics import or_else
from numbanorm.kernels.simd.choosing import all_above
from numbanorm.kernels.simd.memory import lanes, store
from numbanorm.kernels.simd.pointers import at, get, is_null, put, rounded
from numbanorm.kernels.simd.room import as_computed
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import splat_wide


@inlined
def table_size(view):
    """Return how many float64s hold a table: what is computed with takes no more."""
    return 5 * view[0] * view[2]


@inlined
def table_at(p, view, like):
    """Return the arrays of a table that starts at p."""
    return arrays(as_computed(p, like), view[0] * view[2])


@inlined
def put_totals(totals, lines, line, sums):
    """Set a line's three sums."""
    put(totals, line, sums[0])
    put(totals, lines + line, sums[1])
    put(totals, 2 * lines + line, sums[2])


@leaf
def finish(view, first, stop, forward, totals, table, dy):
    """Turn the sums of the lines of some statistics into those of dy and dy * x_hat.

    Writes the `gradient_coefficients` of their elements to the table.
    """
    group, width, step = view[2], view[3], lanes(forward.x)
    s = first
    while s < stop:
        # A vector's statistics have weights that follow one another.
        near = width == 1 and s + step <= stop and s % group + step <= group
        if near and finish_vector(view, s, forward, totals, table):
            s += step
        else:
            finish_one(view, s, forward, totals, table, dy)
            s += 1


@inlined
def finish_vector(view, s, forward, totals, table):
    """Do that for a vector of statistics of one line each, if all are ordinary; else return False.

    The arithmetic is that of `finish_one`, lane by lane.
    """
    x, weight, mean, rstd, training, _ = forward
    batch, outer, group, _, run = view
    lines, count = batch * group, float(outer * run)
    mu, r, zero = load_sum(at(mean, s), x), load_sum(at(rstd, s), x), splat_wide(0.0, x)
    products, error = load_sum(at(totals, lines + s), x), zero
    if not ordinary(mu, r, x) or not all_above(splat_wide(math.inf, x), products * products):
        return False
    if training:
        error = mean_errors(zero + load_sum(at(totals, 2 * lines + s), x), count, mu, x)
    s0 = load_sum(at(totals, s), x)
    s1 = (products - error * s0) * r
    store(at(totals, lines + s), s1)
    if not is_null(weight):
        w = load_sum(at(weight, s % group), x)
        s0, s1 = w * s0, w * s1
    put_coefficient_vectors(at(table, s), mu, r, error, zero + s0, zero + s1, count, training)
    return True


@leaf
def finish_one(view, s, forward, totals, table, dy):
    """Do that for one statistic."""
    x, weight, mean, rstd, training, _ = forward
    batch, outer, group, width, run = view
    lines, count = batch * group * width, float(outer * width * run)
    mu, r = get(mean, s), get(rstd, s)
    error = 0.0
    if training:
        for line in range(s * width, (s + 1) * width):
            error += get(totals, 2 * lines + line)
        error = mean_error(error, count, mu, x)
    weighted0, weighted1 = 0.0, 0.0
    for line in range(s * width, (s + 1) * width):
        w = or_else(weight, line % (group * width), 1.0)
        s0 = get(totals, line)
        s1 = get(totals, lines + line) - error * s0
        s1 = line_products(s1, view, line, dy, x, mu, error, r)
        put(totals, lines + line, s1)
        weighted0 += w * s0
        weighted1 += w * s1
    found = gradient_coefficients(mu, r, error, weighted0, weighted1, count, training, x)
    put_coefficients(table, s, found)


@inlined
def input_coefficients(view, forward, table, line, like):
    """Return a line's slope, rstd * weight, and its statistic's coefficients, in x's type."""
    _, _, group, width, _ = view
    s, weight = line // width, or_else(forward.weight, line % (group * width), 1.0)
    slope = rounded(like, get(forward.rstd, s) * weight)
    scale, offset, rest, factor, constant = coefficients_at(table, s, like)
    return slope, scale, offset, rest, factor, constant


@leaf
def put_parameters(view, totals, to):
    """Write the parameters' gradients: the totals of all batch entries, added in order."""
    put_sums(to.dbias, totals, view, 0)
    put_sums(to.dweight, totals, view, 1)


@inlined
def put_sums(gradient, totals, view, k):
    """Write the gradient of one parameter, whose sums are the k-th."""
    batch, slots = view[0], view[2] * view[3]
    if not is_null(gradient):
        sums = at(totals, k * batch * slots)
        for b in range(1, batch):
            add_all(sums, at(sums, b * slots), slots)
        round_all(gradient, sums, slots)
