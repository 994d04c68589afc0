"""What is done to one vector: a definition each, for every way through memory (`runs`, `columns`).

A `Sum` has sums, in float64, and how to add a vector: ``add(sums, v, coefs, given, i, part)``
returns them with it. (Extremes are sums too: what is added decides whether it is the next one.)
Results come from ``apply(v, coefs, given, i, part)``. `v` is the vector that was read, or one of dy
and one of x. `coefs` are vectors too: of a statistic, the same in all lanes, or of as many columns
as there are lanes. `given` is whatever else a piece needs, pointers to the weights of elements for
one; `i` is v's index there. `part` says which lanes count, (start, stop), or None for all.
"""

import math
from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.simd.choosing import greater, greatest, keep, least, lesser
from numbanorm.kernels.simd.memory import load, load_or
from numbanorm.kernels.simd.pointers import rounded
from numbanorm.kernels.simd.sums import load_sum, no_sum, no_vector
from numbanorm.kernels.simd.vec import fma, splat, splat_wide, total, totals, widen

# --- sums -----------------------------------------------------------------------------------------


class Sum(NamedTuple):
    """How sums are taken: in stretches, each of which is added to float64 sums.

    ``none(like)`` returns the sums of nothing, and ``total(first, second)`` scalars: two sets of
    sums, all lanes. ``begin(sums, like)`` returns those of a stretch, to which vectors are added,
    and ``end(sums, found)`` the sums with them. ``column_coefs(p, like)`` returns the coefficients
    of columns from memory.
    """

    none: Any
    begin: Any
    add: Any
    end: Any
    total: Any
    column_coefs: Any


@inlined
def no_moments(like):
    """Return the sums of nothing."""
    return no_sum(like), no_sum(like)


@inlined
def no_gradients(like):
    """Return the sums of nothing."""
    return no_sum(like), no_sum(like), no_sum(like)


@inlined
def total_sums(first, second):
    """Return the sums of all lanes."""
    return totals(first, second)


@inlined
def begin_wide(sums, like):
    """Return the sums themselves: all is added in float64."""
    return sums


@inlined
def end_wide(sums, found):
    """Return what was added to."""
    return found


@inlined
def wide_coefs(p, like):
    """Return what is in memory, in float64."""
    return load_sum(p, like)


@inlined
def own_coefs(p, like):
    """Return what is in memory, in what is computed with."""
    return load(p)


@inlined
def begin_short(sums, like):
    """Return zeros of what is computed with: so a stretch is added up."""
    zero = no_vector(like)
    return zero, zero, zero


@inlined
def end_short(sums, found):
    """Return the sums with those of a stretch."""
    return sums[0] + widen(found[0]), sums[1] + widen(found[1]), sums[2] + widen(found[2])


@inlined
def add_moment(sums, x, coefs, given, i, part):
    """Add to the sums of values and of their squares."""
    v = widen(x)
    return sums[0] + v, fma(v, v, sums[1])


@inlined
def add_moment_around(sums, x, coefs, given, i, part):
    """Add the distances from `coefs`, a shift, and their squares."""
    d = keep(widen(x) - coefs[0], part)
    return sums[0] + d, fma(d, d, sums[1])


@inlined
def add_gradient(sums, v, coefs, weight, i, part):
    """Add to the sums of w*dy, w*dy * u and u, where u is x - mean in units of a power of two.

    `coefs` are `gradients.gradient_centre`. The last sum tells what rounding took from the mean.
    """
    dy, x = v
    g = dy * load_or(weight, i, part, one(dy))
    u = keep(fma(x, coefs[0], coefs[1]), part)
    return sums[0] + g, fma(g, u, sums[1]), sums[2] + u


moment = Sum(no_moments, begin_wide, add_moment, end_wide, total_sums, wide_coefs)
moment_around = Sum(no_moments, begin_wide, add_moment_around, end_wide, total_sums, wide_coefs)
gradient = Sum(no_gradients, begin_short, add_gradient, end_short, total_sums, own_coefs)

# --- moments, and the least and the greatest value ------------------------------------------------


@inlined
def add_sums(a, b):
    """Return the sums of two vectors each."""
    return a[0] + b[0], a[1] + b[1]


@inlined
def join_extremes(a, b):
    """Return the least and the greatest of two vectors each."""
    return lesser(a[0], b[0], None), greater(a[1], b[1], None)


@inlined
def no_summary(like):
    """Return the sums of nothing, and what every value is less and greater than."""
    high = splat_wide(math.inf, like)
    return no_sum(like), no_sum(like), high, no_sum(like) - high


@inlined
def begin_summary(sums, like):
    """Return the sums of moments, and extremes of nothing in what is computed with."""
    high = splat(rounded(like, math.inf))
    return sums[0], sums[1], high, no_vector(like) - high


@inlined
def add_summary(found, x, coefs, given, i, part):
    """Add to the sums of moments, and to the extremes; NaN is passed over in these."""
    v = widen(x)
    low, high = lesser(found[2], x, part), greater(found[3], x, part)
    return found[0] + v, fma(v, v, found[1]), low, high


@inlined
def end_summary(sums, found):
    """Return the sums and extremes with those of a stretch."""
    low, high = join_extremes((sums[2], sums[3]), (widen(found[2]), widen(found[3])))
    return found[0], found[1], low, high


@inlined
def total_summary(first, second):
    """Return the sums and the extremes of all lanes."""
    a, b, c, d = first
    e, f, g, h = second
    low, high = join_extremes((c, d), (g, h))
    return total(a + e), total(b + f), least(low), greatest(high)


summary = Sum(no_summary, begin_summary, add_summary, end_summary, total_summary, wide_coefs)


# --- results --------------------------------------------------------------------------------------


@inlined
def one(like):
    """Return a vector of ones."""
    return splat(rounded(like, 1.0))


@inlined
def zero(like):
    """Return a vector of zeros."""
    return splat(rounded(like, 0.0))


@inlined
def centred(x, scale, offset, rest):
    """Return (x - mean) * scale; see `statistics.centring`."""
    return fma(x, scale, offset) - rest


@inlined
def epilogue(y):
    """Return what is written in place of y: y."""
    return y


@inlined
def normalize(x, coefs, given, i, part):
    """Normalise by `statistics.coefficients`."""
    scale, offset, rest, slope, bias = coefs
    return epilogue(fma(centred(x, scale, offset, rest), slope, bias))


@inlined
def normalize_elements(x, coefs, given, i, part):
    """Normalise elements that have a weight and a bias each, `given`; either may be null."""
    scale, offset, rest, slope, _ = coefs
    weight, bias = given
    w, b = load_or(weight, i, part, one(x)), load_or(bias, i, part, zero(x))
    return epilogue(fma(centred(x, scale, offset, rest) * slope, w, b))


@inlined
def input_gradient(v, coefs, training, i, part):
    """Return dx by the slope rstd*w and `gradients.gradient_coefficients`."""
    dy, x = v
    slope, scale, offset, rest, factor, constant = coefs
    if training:
        return fma(slope, dy, fma(centred(x, scale, offset, rest), factor, constant))
    return slope * dy


@inlined
def input_gradient_elements(v, coefs, weight, sums):
    """Return dx of elements with a weight each, and the sums of dy * x_hat and of dy with theirs.

    `coefs` are `gradients.gradient_coefficients`, rstd and the unit of x_hat.
    """
    dy, x = v
    scale, offset, rest, factor, constant, rstd, unit = coefs
    c = centred(x, scale, offset, rest)
    dx = fma(weight * dy, rstd, fma(c, factor, constant))
    return dx, (fma(dy, c * unit, sums[0]), sums[1] + dy)
