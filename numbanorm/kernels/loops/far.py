"""Statistics of float64 data that leave float64's range on the way: found again, slowly, to scale.

Sums of squares overflow from 1e154 on, sums near 1e308, and squares vanish below 1e-154. Such a
statistic, and such a sum of products in a gradient, is found a second time from elements that a
power of two has brought near 1. float32 data need none of it: their sums are float64.
"""

import math

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.deviations import entry, in_range
from numbanorm.kernels.loops.statistics import gradient_scale, not_negative, two_sum
from numbanorm.kernels.simd.pointers import at, get, is_null, magnitude, put
from numbanorm.kernels.simd.storage import spare_digits
from numbanorm.kernels.threads.float_modes import apart

# A mean from which on what differs has squares in range: a variance of 0 is that of a constant.
SURE = 1e-130


# --- means and variances ------------------------------------------------------------------------


@inlined
def settle_far(view, x, first, count, mean, var):
    """Find those of `count` finished statistics again that have left the range.

    x, mean and var point to the first elements of all. x must still be what it was.
    """
    if not spare_digits(x):
        for s in range(first, first + count):
            constant = get(var, s) == 0.0 and abs(get(mean, s)) >= SURE
            if not in_range(get(var, s)) and not constant:
                apart(measure, (view, x, s, mean, var))


@inlined
def finish_moments(view, x, mean, var):
    """Turn the sums of squared deviations of all statistics into variances, or their entries."""
    count = float(view[1] * view[3] * view[4])
    for s in range(view[0] * view[2]):
        put(var, s, get(var, s) / count)
    settle_far(view, x, 0, view[0] * view[2], mean, var)


@leaf
def measure(view, x, s, mean, var):
    """Write the mean and the variance's entry of statistic s, if all its elements are finite."""
    most = largest(view, x, s)
    if not 0.0 < most < math.inf:
        return
    count = float(view[1] * view[3] * view[4])
    # Neither the reciprocal of the largest power of two nor that of the least is a normal number.
    scale = 1.0 / min(max(magnitude(most), 2.0**-1000), 2.0**1000)
    centre = 0.0
    for _ in range(2):
        plain, _ = sums_to_scale(view, x, s, scale, centre)
        centre += plain / count
    plain, squares = sums_to_scale(view, x, s, scale, centre)
    squares = not_negative(squares - plain * (plain / count))
    # Rounding may have raised either above the largest element.
    limit = most * scale
    put(mean, s, math.copysign(min(abs(centre), limit), centre) / scale)
    put(var, s, entry(min(math.sqrt(squares / count), limit) / scale))


@inlined
def run_of(view, x, s, o):
    """Return a pointer to the o-th run of elements that statistic s owns."""
    _, outer, group, width, run = view
    return at(x, ((s // group * outer + o) * group + s % group) * width * run)


@leaf
def largest(view, x, s):
    """Return the largest magnitude in a statistic, or inf where one is inf or NaN."""
    most = 0.0
    for o in range(view[1]):
        here = run_of(view, x, s, o)
        for i in range(view[3] * view[4]):
            size = abs(get(here, i))
            if not size <= most:
                if not size < math.inf:
                    return math.inf
                most = size
    return most


@leaf
def has_nan(view, x, s):
    """Return whether there is a NaN in a statistic."""
    for o in range(view[1]):
        here = run_of(view, x, s, o)
        for i in range(view[3] * view[4]):
            value = get(here, i)
            if value != value:
                return True
    return False


@inlined
def add(total, lost, value):
    """Return the sum of a total and a value, and what rounding has lost of it so far."""
    result, more = two_sum(total, value)
    return result, lost + more


@leaf
def sums_to_scale(view, x, s, scale, shift):
    """Return the sums of x * scale - shift and of its squares over a statistic, as if exact."""
    plain, plain_lost, squares, squares_lost = 0.0, 0.0, 0.0, 0.0
    for o in range(view[1]):
        here = run_of(view, x, s, o)
        for i in range(view[3] * view[4]):
            d = get(here, i) * scale - shift
            plain, plain_lost = add(plain, plain_lost, d)
            squares, squares_lost = add(squares, squares_lost, d * d)
    return plain + plain_lost, squares + squares_lost


# --- sums of gradients ------------------------------------------------------------------------


@inlined
def line_products(products, view, line, dy, x, mean, error, rstd):
    """Return the sum of dy * x_hat over a line, given that of dy * (x - mean - error).

    dy and x point to the first elements of all, and are what they were.
    """
    if not spare_digits(x) and leaves_range(products, rstd):
        _, outer, group, width, run = view
        slots = group * width
        base = (line // slots * outer * slots + line % slots) * run
        runs = outer, slots * run, run
        given = at(dy, base), at(x, base), x, False, runs, mean, error, rstd
        return apart(products_to_scale, given)
    return products * rstd


@inlined
def row_products(products, dy, x, n, weight, mean, error, rstd):
    """Return the sum of w * dy * x_hat over a row, given that of w * dy * (x - mean - error)."""
    if not spare_digits(x) and leaves_range(products, rstd):
        given = dy, x, weight, not is_null(weight), (1, n, n), mean, error, rstd
        return apart(products_to_scale, given)
    return products * rstd


@inlined
def leaves_range(products, rstd):
    """Return whether products of dy and x - mean may have left the range; a constant's are 0."""
    return not (2.0**-500 <= rstd <= 2.0**500 or rstd == 0.0) or not math.isfinite(products)


@leaf
def products_to_scale(dy, x, weight, weighted, runs, mean, error, rstd):
    """Return the sum of w * dy * x_hat over runs (how many, how far apart, how long), as if exact.

    The weights are those of a run's elements, or if not `weighted` are 1.
    """
    outer, stride, run = runs
    scale = gradient_scale(mean, rstd, x)
    centre, rest = mean * scale, error * scale
    total, lost = 0.0, 0.0
    for o in range(outer):
        g, v = at(dy, o * stride), at(x, o * stride)
        for i in range(run):
            w = get(weight, i) if weighted else 1.0
            centred = get(v, i) * scale - centre - rest
            total, lost = add(total, lost, w * get(g, i) * centred)
    return (total + lost) * (rstd / scale)
