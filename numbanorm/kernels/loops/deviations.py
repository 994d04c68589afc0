"""Variances that float64 can't hold: in their place stands the deviation, and a minus sign.

Between kernels a variance is one float64. That of float64 data over 1e154 would be inf, and below
1e-145 it loses its digits, or is 0. An entry below 0 is therefore minus the deviation, whose square
is out of range. Only such deviations are written so: any other negative number is one that a user
gave, and no deviation.
"""

import math

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.simd.storage import spare_digits

# Smaller variances are not taken from sums of squares: some of those may have been subnormal.
LEAST = 1e-290


@inlined
def in_range(square):
    """Return whether a variance is held to full precision; not so if it is 0 or NaN."""
    return LEAST <= square < math.inf


@inlined
def is_deviation(var):
    """Return whether an entry is minus a deviation."""
    return var < -1e150 or -1e-140 < var < 0.0


@inlined
def entry(deviation):
    """Return what stands for the square of a deviation: that, or minus the deviation."""
    square = deviation * deviation
    return square if in_range(square) or deviation == 0.0 else -deviation


@inlined
def variance(var):
    """Return the variance that an entry stands for, inf or 0 where float64 has no other."""
    return var * var if is_deviation(var) else var


@inlined
def diagonal(a, b):
    """Return the root of a*a + b*b, neither of which is negative, without the squares."""
    longer, shorter = (a, b) if a > b else (b, a)
    share = 0.0 if longer == 0.0 else shorter / longer
    return longer * math.sqrt(1.0 + share * share)


@inlined
def mean_square(mean, var, like):
    """Return the entry of the mean square of what has this mean and this variance's entry."""
    square = var + mean * mean
    if spare_digits(like) or (in_range(square) and not is_deviation(var)):
        return square
    return entry(diagonal(-var if is_deviation(var) else math.sqrt(var), abs(mean)))


@leaf
def far_reciprocal(var, eps):
    """Return 1 / sqrt(variance + eps) of an entry that is a deviation.

    Where float64 does not hold that to full precision, it is what it is the reciprocal of, with a
    minus sign.
    """
    deviation = diagonal(-var, math.sqrt(eps))
    found = 1.0 / deviation
    return found if 2.0**-1022 <= found < math.inf else -deviation
