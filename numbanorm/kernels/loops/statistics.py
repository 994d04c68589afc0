"""Scalar arithmetic on statistics: merging, the reciprocal deviation, and coefficients.

All of it is float64; only `coefficients` rounds to x's type, at the very end.
"""

import math

from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.loops.deviations import far_reciprocal, is_deviation
from numbanorm.kernels.simd.pointers import get, is_null, magnitude, put, rounded
from numbanorm.kernels.simd.storage import largest, spare_digits


@inlined
def two_sum(a, b):
    """Return a + b and what rounding took from it (Knuth's TwoSum)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@inlined
def merge(count, mean, m2, more, more_mean, more_m2):
    """Merge two (count, mean, sum of squared deviations); returns the merged mean and m2.

    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", 1979. Equal means stay exactly as they are.
    """
    if count == 0:
        return more_mean, more_m2
    share = more / (count + more)
    delta = more_mean - mean
    return mean + delta * share, m2 + more_m2 + delta * delta * (count * share)


@inlined
def merge_at(count, mean, m2, i, more, more_mean, more_m2):
    """Merge into mean[i] and m2[i], which hold `count` values."""
    merged, deviations = merge(count, get(mean, i), get(m2, i), more, more_mean, more_m2)
    put(mean, i, merged)
    put(m2, i, deviations)


@inlined
def shift_floor(like):
    """Return what share of the squares must be left of them; see `needs_shift`."""
    return 1e-6 if spare_digits(like) else 0.0625


@inlined
def needs_shift(m2, squares, like):
    """Whether m2 = squares - sum*mean lost too many digits to cancellation, or is not a number.

    Sums of float32 values keep 53 - 24 spare bits, so a mean of up to 1000 deviations is harmless;
    float64 values have none to spare.
    """
    return squares != 0.0 and not m2 > shift_floor(like) * squares


@inlined
def not_negative(m2):
    """Return m2, or 0 where rounding made it negative; NaN stays."""
    return 0.0 if m2 < 0.0 else m2


@inlined
def reciprocal_deviation(var, eps, like):
    """Return 1 / sqrt(var + eps), or 0 where that is 1 / 0 (as PyTorch does).

    For float64 data it may be below 0: see `far_reciprocal`.
    """
    if not spare_digits(like) and is_deviation(var):
        return far_reciprocal(var, eps)
    squared = var + eps
    return 0.0 if squared == 0.0 else 1.0 / math.sqrt(squared)


@inlined
def or_else(p, i, default):
    """Return p[i], or the default where p is null (no weight, no bias)."""
    return default if is_null(p) else get(p, i)


@inlined
def exact_scale(mean, rstd, slope, like):
    """Return a power of two that brings (x - mean) * scale into range; nearly always 1.

    A product with it is exact. It is another than 1 where the deviation or the slope is so large or
    small that x's type might not hold the reciprocal, or the difference of two values; and never so
    large that the mean would leave the range, as that of a constant does if eps is tiny.
    """
    ordinary = slope == 0.0 or 2.0**-90 <= abs(slope) <= 2.0**120
    if ordinary and 2.0**-60 <= abs(rstd) <= 2.0**120 and abs(mean) <= 2.0**125:
        return 1.0
    least, most = (2.0**-126, 2.0**126) if spare_digits(like) else (2.0**-1022, 2.0**1022)
    scale = min(max(magnitude(rstd), least), most)
    if abs(mean) * scale > 2.0**100:
        scale = 2.0**100 / magnitude(mean)
    return scale


@inlined
def centring(mean, scale, like):
    """Return (offset, rest) of x's type: -mean*scale, and what rounding it lost.

    ``fma(x, scale, offset) - rest`` is then x - mean to x's own precision, even where the mean is a
    million deviations away.
    """
    centre = mean * scale
    high = rounded(like, centre)
    return -high, rounded(like, centre - high)


@inlined
def coefficients(mean, rstd, weight, bias, like):
    """Return (scale, offset, rest, slope, bias) of x's type.

    ``y = fma(fma(x, scale, offset) - rest, slope, bias)`` is (x - mean) * rstd * weight + bias;
    rstd is a `reciprocal_deviation`.
    """
    slope = rstd * weight
    far = not spare_digits(like) and rstd < 0.0
    if far:
        scale = 2.0**-1000 if rstd < -1.0 else 2.0**1000
    else:
        scale = exact_scale(mean, rstd, slope, like)
    offset, rest = centring(mean, scale, like)
    if far:
        slope = weight / (-rstd * scale)
    elif scale != 1.0:
        slope = rstd / scale * weight
    slope = held(slope, weight, like)
    return rounded(like, scale), offset, rest, rounded(like, slope), rounded(like, bias)


@inlined
def held(slope, weight, like):
    """Return a slope, or, where x's type can't hold it, the largest that it can.

    It is only constants, whose x - mean is 0, that have such slopes and are to be finite.
    """
    most = largest(like)
    return math.copysign(most, slope) if abs(slope) > most and abs(weight) < math.inf else slope


@inlined
def gradient_scale(mean, rstd, like):
    """Return like `exact_scale`, for factors that hold the square of rstd."""
    return exact_scale(mean, rstd, rstd * rstd, like)
