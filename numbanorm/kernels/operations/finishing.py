"""What statistics are made into, and made of, besides y: each a call of its own from Python."""

import math

from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.loops.deviations import mean_square, variance
from numbanorm.kernels.loops.statistics import reciprocal_deviation
from numbanorm.kernels.simd.choosing import all_above
from numbanorm.kernels.simd.memory import lanes, store
from numbanorm.kernels.simd.pointers import (
    at,
    elements,
    get,
    integer_in,
    is_null,
    magnitude,
    optional,
    pointer,
    put,
    put_integer,
)
from numbanorm.kernels.simd.storage import itemsize, spare_digits
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import narrow, splat_wide
from numbanorm.kernels.threads.drivers import exact, serial


@inlined
def blend(running, found, n, batch, old, new, squares):
    """Set running to old * running + new * mean over the batch, in float64, rounded once.

    What is found is, of `squares`, the entries of variances.
    """
    if not is_null(running):
        # Vectors would be rounded twice on their way to 16 bits.
        vectors = batch == 1 and itemsize(running) > 2
        start = blend_one(running, found, n, old, new, squares) if vectors else 0
        for i in range(start, n):
            total = 0.0
            for b in range(batch):
                value = get(found, b * n + i)
                total += variance(value) if squares else value
            put(running, i, get(running, i) * old + total / float(batch) * new)


@inlined
def blend_one(running, found, n, old, new, squares):
    """Do that for a batch of one, a vector at a time; returns where there is none or a far one.

    The arithmetic is that of `blend`, lane by lane.
    """
    i, step, zero = 0, lanes(running), splat_wide(0.0, running)
    while i + step <= n:
        values = zero + load_sum(at(found, i), running)
        if squares and not all_above(values, zero):
            break
        moved = load_sum(at(running, i), running) * splat_wide(old, running)
        moved = moved + values * splat_wide(new, running)
        store(at(running, i), narrow(moved, running))
        i += step
    return i


@exact
def move_running(running_mean, running_var, mean, var, n, batch, count, momentum):
    """Move n running statistics, either kind of which may be null, towards those of a batch.

    `mean` and `var` are (batch, n); a variance is the biased one of `count` values.
    """
    unbiased = float(count) / float(count - 1)
    blend(running_mean, mean, n, batch, 1.0 - momentum, momentum, False)
    blend(running_var, var, n, batch, 1.0 - momentum, momentum * unbiased, True)


@serial
def update(running_mean, running_var, tracked, mean, var, n, batch, count, momentum):
    """Like `move_running`, for arrays, which may be empty (not tracked); counts the batch.

    A momentum of NaN stands for that of the average of all batches counted. Python interrupts no
    compiled function and, as this one keeps the GIL, lets no other thread in: all of it is done, or
    nothing, to the average of just the batches before.
    """
    counter = pointer(tracked)
    if momentum != momentum:
        momentum = 1.0 / float(integer_in(counter, 0) + 1)
    first, second = optional(running_mean), optional(running_var)
    move_running(first, second, pointer(mean), pointer(var), n, batch, count, momentum)
    put_integer(counter, 0, integer_in(counter, 0) + 1)


@exact
def fill_divisors(std, weight, var, n):
    """Write n weights and variances by which (x - mean) * weight / sqrt(var) divides by std.

    The weight carries the sign, and in float64 a power of two where the square would leave its
    range.
    """
    for i in range(n):
        divisor = get(std, i)
        size, sign = abs(divisor), math.copysign(1.0, divisor)
        scale = 1.0
        if not spare_digits(weight) and not 1e-150 < size < 1e150 and 0.0 < size < math.inf:
            scale = max(magnitude(size), 2.0**-1022)
        put(weight, i, sign / scale)
        put(var, i, size / scale * (size / scale))


@serial
def divide_by(std, weight, var):
    """Like `fill_divisors`, for arrays."""
    fill_divisors(pointer(std), pointer(weight), pointer(var), elements(std))


@exact
def put_statistics(mean, rstd, found_mean, found_var, n, eps):
    """Write the means and reciprocal deviations of n statistics; either may be null."""
    for i in range(n):
        if not is_null(mean):
            put(mean, i, get(found_mean, i))
        if not is_null(rstd):
            found = reciprocal_deviation(get(found_var, i), eps, found_var)
            put(rstd, i, found if not found < 0.0 else -1.0 / found)


@serial
def statistics(mean, rstd, found_mean, found_var, eps):
    """Like `put_statistics`, for arrays."""
    found = pointer(found_mean), pointer(found_var)
    put_statistics(pointer(mean), pointer(rstd), *found, elements(mean), eps)


@exact
def put_variances(var, n, factor):
    """Turn the entries of n variances into those variances, times a factor."""
    for i in range(n):
        put(var, i, variance(get(var, i)) * factor)


@serial
def variances(var, factor):
    """Like `put_variances`, for arrays."""
    put_variances(pointer(var), elements(var), factor)


@exact
def put_mean_squares(mean, var, n):
    """Turn n means and variances' entries into zeros and mean squares' entries."""
    for i in range(n):
        put(var, i, mean_square(get(mean, i), get(var, i), var))
        put(mean, i, 0.0)


@serial
def mean_squares(mean, var):
    """Like `put_mean_squares`, for arrays."""
    put_mean_squares(pointer(mean), pointer(var), elements(var))


@exact
def widen_elements(result, values, n):
    """Write n values in float64."""
    for i in range(n):
        put(result, i, get(values, i))


@serial
def widen(result, values):
    """Like `widen_elements`, for arrays."""
    widen_elements(pointer(result), pointer(values), elements(result))
