"""The coefficients of lines, blocks of rows and columns: made, written to arrays, and kept.

An array for each coefficient, `coefs` being a tuple of pointers to them, has an element per column
or row, and a vector more. They hold what is computed with.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.statistics import coefficients, or_else, reciprocal_deviation
from numbanorm.kernels.simd.choosing import all_above
from numbanorm.kernels.simd.memory import lanes, load, store
from numbanorm.kernels.simd.pointers import at, get, is_null, put, rounded
from numbanorm.kernels.simd.room import stack_like
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import narrow, root, splat, splat_wide, widen


class Norm(NamedTuple):
    """What x is normalised by: pointers, of which weight and bias may be null, and eps."""

    weight: Any
    bias: Any
    mean: Any
    var: Any
    eps: Any


# --- of a line: all that has one weight and one statistic -----------------------------------------


@inlined
def deviation_of(norm, s, like):
    """Return the mean and the reciprocal deviation of statistic s."""
    return get(norm.mean, s), reciprocal_deviation(get(norm.var, s), norm.eps, like)


@inlined
def slot_coefficients(norm, mean, rstd, slot, like):
    """Return the coefficients of what has this statistic and the weight and bias of this slot."""
    weight, bias = or_else(norm.weight, slot, 1.0), or_else(norm.bias, slot, 0.0)
    return coefficients(mean, rstd, weight, bias, like)


@inlined
def line_coefficients(view, norm, line, like):
    """Return the coefficients of a line of `run` elements, as they follow one another in memory."""
    _, outer, group, width, _ = view
    slot = line % (group * width)
    s = line // (outer * group * width) * group + slot // width
    mean, rstd = deviation_of(norm, s, like)
    return slot_coefficients(norm, mean, rstd, slot, like)


@inlined
def keep_coefficients(table, i, found):
    """Write the i-th five coefficients of a table of float64s."""
    for k in range(5):
        put(table, 5 * i + k, float(found[k]))


@inlined
def kept_coefficients(table, i, like):
    """Return the i-th five coefficients of such a table, in x's type."""
    p = at(table, 5 * i)
    return (
        rounded(like, get(p, 0)),
        rounded(like, get(p, 1)),
        rounded(like, get(p, 2)),
        rounded(like, get(p, 3)),
        rounded(like, get(p, 4)),
    )


# --- of rows and columns --------------------------------------------------------------------------


@inlined
def arrays(p, room):
    """Return pointers to five arrays of `room` elements."""
    return p, at(p, room), at(p, 2 * room), at(p, 3 * room), at(p, 4 * room)


@inlined
def fill(coefs, n, values):
    """Set n elements of each array, and up to a vector more, to a value."""
    v = splat(values)
    for i in range(0, n, lanes(coefs)):
        store(at(coefs, i), v)


@leaf
def fill_rows(coefs, norm, s, slot, rows):
    """Write the coefficients of rows from statistic s on, whose slots are those from `slot` on."""
    like = coefs[0]
    mean, var = at(norm.mean, s), at(norm.var, s)
    if rows == lanes(coefs) and fill_vector(coefs, norm, mean, var, slot):
        return
    for k in range(rows):
        mean, rstd = deviation_of(norm, s + k, like)
        fill(at(coefs, k), 1, slot_coefficients(norm, mean, rstd, slot + k, like))


@leaf
def fill_lines(coefs, norm, view, line, block):
    """Write the coefficients of a block of lines of one row of x's."""
    _, outer, group, width, _ = view
    slot = line % (group * width)
    if width == 1:
        fill_rows(coefs, norm, line // (outer * group) * group + slot, slot, block)
    else:
        for k in range(block):
            fill(at(coefs, k), 1, line_coefficients(view, norm, line + k, coefs[0]))


@inlined
def coefficients_at(coefs, i, like):
    """Return the i-th of each of five arrays, in x's type."""
    return (
        rounded(like, get(coefs[0], i)),
        rounded(like, get(coefs[1], i)),
        rounded(like, get(coefs[2], i)),
        rounded(like, get(coefs[3], i)),
        rounded(like, get(coefs[4], i)),
    )


@inlined
def row_coefficients(coefs, k, like):
    """Return a vector of each coefficient of row k."""
    return splat(coefficients_at(coefs, k, like))


@inlined
def of_lines(values, first, slot, width, room, like):
    """Return where a vector of lines, from a slot on, has its statistics' values.

    Those are from the `first` on, each of `width` lines: if that is more than one, in `room`.
    """
    if width == 1:
        return at(values, first + slot)
    for k in range(lanes(like)):
        put(room, k, get(values, first + (slot + k) // width))
    return room


@leaf
def fill_columns(coefs, norm, view, b, first, n, fold):
    """Write the coefficients of n columns of batch entry b, from `first` on, `fold` times."""
    _, _, group, width, run = view
    like, line, stop = coefs[0], first // run, (first + n) // run
    means, variances = stack_like(16, norm.mean), stack_like(16, norm.var)
    while line < stop:
        s, here = b * group + line // width, at(coefs, line * run - first)
        if run == 1 and line + lanes(coefs) <= stop:
            m = of_lines(norm.mean, b * group, line, width, means, like)
            v = of_lines(norm.var, b * group, line, width, variances, like)
            if fill_vector(here, norm, m, v, line):
                line += lanes(coefs)
                continue
        mean, rstd = deviation_of(norm, s, like)
        fill(here, run, slot_coefficients(norm, mean, rstd, line, like))
        line += 1
    for k in range(5):
        repeat(coefs[k], n, n * fold + lanes(coefs))


@inlined
def fill_vector(coefs, norm, mean, var, slot):
    """Write a vector of coefficients, if all are ordinary; else return False.

    The arithmetic is that of `reciprocal_deviation` and `coefficients`, lane by lane.
    """
    like = coefs[0]
    one, zero = splat_wide(1.0, like), splat_wide(0.0, like)
    w = one if is_null(norm.weight) else load_sum(at(norm.weight, slot), like)
    b = zero if is_null(norm.bias) else load_sum(at(norm.bias, slot), like)
    rstd = one / root(load_sum(var, like) + splat_wide(norm.eps, like))
    slopes = rstd * w
    size, low = slopes * slopes, splat_wide(2.0**-180, like)
    high, lowest = splat_wide(2.0**180, like), splat_wide(2.0**-60, like)
    ordinary = all_above(rstd, lowest) and all_above(splat_wide(2.0**60, like), rstd)
    centre = load_sum(mean, like)
    ordinary = ordinary and all_above(splat_wide(2.0**250, like), centre * centre)
    if not (ordinary and all_above(size, low) and all_above(high, size)):
        return False
    near = narrow(centre, like)
    offset, rest = narrow(zero - widen(near), like), narrow(centre - widen(near), like)
    store(coefs, (narrow(one, like), offset, rest, narrow(slopes, like), narrow(b, like)))
    return True


@inlined
def repeat(p, n, stop):
    """Continue the first n elements of an array periodically up to `stop`."""
    step = lanes(p)
    period = n if n >= step else n * ((step + n - 1) // max(1, n))
    first = min(period, stop)
    for i in range(n, first):
        put(p, i, get(p, i - n))
    whole = max(first, stop - (stop - first) % step)
    for i in range(first, whole, step):
        store(at(p, i), load(at(p, i - period)))
    for i in range(whole, stop):
        put(p, i, get(p, i - n))
