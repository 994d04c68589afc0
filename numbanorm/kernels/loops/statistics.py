"""Scalar arithmetic on statistics: merging, the reciprocal deviation, and coefficients.

All of it is float64; only `coefficients` rounds to x's type, at the very end.
"""

import math

from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.loops.deviations import far_reciprocal, is_deviation
from numbanorm.kernels.simd.pointers import get, is_null, magnitude, put, rounded
from numbanorm.kernels.simd.storage import largest, spare_digits, unit


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
def gradient_centre(mean, rstd, like):
    """Return (scale, offset) of x's type: u = fma(x, scale, offset) is near (x - mean) * scale.

    The scale is a power of two, of which a deviation is about one: u and its products with dy then
    have the range of x_hat and of the gradient of a weight. `around_mean` makes up for the offset's
    rounding.
    """
    scale = 1.0
    if spare_digits(like):
        scale = min(max(magnitude(rstd), 2.0**-126), 2.0**126)
        if abs(mean) * scale > 2.0**100:
            scale = 2.0**100 / magnitude(mean)
    return rounded(like, scale), -rounded(like, mean * scale)


@inlined
def around_mean(sums, count, mean, centre):
    """Return the sums of g, g * (x - mean) and x - mean from those of g, g * u and u.

    `centre` is the `gradient_centre` of `count` elements.
    """
    s0, s1, su = sums
    scale = float(centre[0])
    lost = -float(centre[1]) / scale - mean
    return s0, s1 / scale + lost * s0, su / scale + lost * count


@inlined
def mean_error(sum_centred, count, mean, like):
    """Return how far the true mean is from the one given, if that is its rounding; else 0.

    Saved means have x's type. Where the mean is a million float32 deviations from zero, the half
    unit that rounding took from it is a good part of a deviation; x itself restores it. A mean that
    is further off is no rounding: it is taken as meant.
    """
    error = sum_centred / count
    return error if abs(error) <= unit(like) * abs(mean) else 0.0


@inlined
def gradient_scale(mean, rstd, like):
    """Return like `exact_scale`, for factors that hold the square of rstd."""
    return exact_scale(mean, rstd, rstd * rstd, like)


@inlined
def gradient_coefficients(mean, rstd, error, weighted0, weighted1, count, training, like):
    """Return (scale, offset, rest, factor, constant) of x's type, for the input's gradient.

    ``dx = rstd*w*dy + fma(fma(x, scale, offset) - rest, factor, constant)``, where weighted0 and
    weighted1 are the sums of w*dy and w*dy*x_hat over the statistic's `count` elements. It is
    ``rstd * (w*dy - weighted0/count - x_hat*weighted1/count)``: Ioffe and Szegedy, "Batch
    Normalization", 2015, section 3, in closed form.
    """
    scale = gradient_scale(mean + error, rstd, like)
    offset, rest = centring(mean + error, scale, like)
    unscaled = rstd / scale
    factor = -rstd * unscaled * weighted1 / count if training else 0.0
    constant = -rstd * weighted0 / count if training else 0.0
    return (
        rounded(like, scale),
        offset,
        rest,
        rounded(like, factor),
        rounded(like, constant),
    )
