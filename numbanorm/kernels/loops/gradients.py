"""From the sums of lines to coefficients of gradients: of one line, and of a vector of lines.

The arithmetic of both is the same, lane by lane; a vector of lines is worked on where all are
`ordinary`. Sums are three float64s: of g, of g * (x - mean) and of x - mean.
"""

from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.loops.statistics import centring, gradient_scale
from numbanorm.kernels.simd.choosing import all_above, magnitudes, or_zero
from numbanorm.kernels.simd.memory import store
from numbanorm.kernels.simd.pointers import magnitude, put, rounded
from numbanorm.kernels.simd.storage import spare_digits, unit
from numbanorm.kernels.simd.vec import narrow, splat_wide, widen

# What is added to a float64 is rounded to a multiple of 1/256.
COARSE = 1.5 * 2.0**44

# --- one line -------------------------------------------------------------------------------------


@inlined
def gradient_centre(mean, rstd, like):
    """Return (scale, offset) of x's type: u = fma(x, scale, offset) is near (x - mean) * scale.

    The scale is a power of two, of which a deviation is about one: u and its products with dy then
    have the range of x_hat and of the gradient of a weight. The offset is a multiple of 1/256, for
    which `around_mean` makes up. With more digits than that it would be rounded off alike in many
    u; so most u are exact, and the errors of others have either sign.
    """
    if not spare_digits(like):
        return rounded(like, 1.0), -rounded(like, mean)
    scale = min(max(magnitude(rstd), 2.0**-126), 2.0**126)
    if abs(mean) * scale > 2.0**100:
        scale = 2.0**100 / magnitude(mean)
    return rounded(like, scale), -rounded(like, (mean * scale + COARSE) - COARSE)


@inlined
def around_mean(sums, count, mean, centre):
    """Return the sums of g, g * (x - mean) and x - mean from those of g, g * u and u.

    `centre` is the `gradient_centre` of `count` elements.
    """
    s0, s1, su = sums
    unscale = 1.0 / float(centre[0])
    lost = -float(centre[1]) * unscale - mean
    return s0, s1 * unscale + lost * s0, su * unscale + lost * count


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


@inlined
def put_coefficients(table, i, found):
    """Write the i-th five coefficients of a table: an array for each."""
    for k in range(5):
        put(table[k], i, float(found[k]))


# --- a vector of lines ----------------------------------------------------------------------------


@inlined
def ordinary(mean, rstd, like):
    """Return whether for all lanes `gradient_scale` is 1 and no mean is far from 0."""
    least, most = splat_wide(2.0**-45, like), splat_wide(2.0**60, like)
    near = all_above(splat_wide(2.0**80, like), mean * mean)
    return near and all_above(rstd, least) and all_above(most, rstd)


@inlined
def centres(mean, rstd, like):
    """Return vectors of what `gradient_centre` returns."""
    minus = splat_wide(-1.0, like)
    if not spare_digits(like):
        return narrow(splat_wide(1.0, like), like), narrow(mean * minus, like)
    scale, coarse = magnitudes(rstd), splat_wide(COARSE, like)
    return narrow(scale, like), narrow((mean * scale + coarse - coarse) * minus, like)


@inlined
def around_means(sums, count, mean, centre, like):
    """Return vectors of what `around_mean` returns."""
    s0, s1, su = sums
    unscale = splat_wide(1.0, like) / widen(centre[0])
    lost = splat_wide(-1.0, like) * widen(centre[1]) * unscale - mean
    return s0, s1 * unscale + lost * s0, su * unscale + lost * splat_wide(count, like)


@inlined
def mean_errors(sums_centred, count, mean, like):
    """Return a vector of what `mean_error` returns."""
    error = sums_centred / splat_wide(count, like)
    return or_zero(error, mean * splat_wide(unit(like), like))


@inlined
def put_coefficient_vectors(table, mean, rstd, error, weighted0, weighted1, count, training):
    """Write vectors of what `gradient_coefficients` returns to where a table's arrays point to."""
    like = table[0]
    one, zero, minus = splat_wide(1.0, like), splat_wide(0.0, like), splat_wide(-1.0, like)
    centre = mean + error
    near = narrow(centre, like)
    rest, offset = narrow(centre - widen(near), like), narrow(widen(near) * minus, like)
    factor = constant = zero
    if training:
        slope, total = rstd * minus, splat_wide(count, like)
        factor = slope * rstd * weighted1 / total
        constant = slope * weighted0 / total
    found = narrow(one, like), offset, rest, narrow(factor, like), narrow(constant, like)
    store(table, found)
