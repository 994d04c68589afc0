"""Means and variances of summaries, for C; Python's own integers do it exactly, see `summaries`."""

import math

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import leaf
from numbanorm.kernels.operations.merging import (
    copy_rows,
    merge_floats,
    moments_at,
    put_moments,
)
from numbanorm.kernels.operations.summaries import joined
from numbanorm.kernels.simd.pointers import integer_in, is_null, put
from numbanorm.kernels.simd.room import allocate, release
from numbanorm.kernels.threads.drivers import exact
from numbanorm.plan.summary import LEAST, LOW, LOW_BITS


@leaf
def integer_moments(count, sums, n, s, values):
    """Write the moments of the integers of statistic s: a mean, what it lacks, and deviations.

    All but the last steps are exact: sums are moved to the integer nearest the mean, around which
    nothing much cancels.
    """
    high, low = joined(sums, n, 0, s)
    size = 2.0**LOW_BITS
    centre = math.floor((float(high) * size + float(low)) / float(count) + 0.5)
    count_high, count_low = count >> LOW_BITS, count & LOW
    moved = ((high - centre * count_high) << LOW_BITS) + (low - centre * count_low)
    square_high, square_low = joined(sums, n, 2, s)
    # The sum of squares, less centre * (2 * sum - centre * count).
    part_high, part_low = 2 * high - centre * count_high, 2 * low - centre * count_low
    part_high, part_low = part_high + (part_low >> LOW_BITS), part_low & LOW
    square_high, square_low = square_high - centre * part_high, square_low - centre * part_low
    squares = float(square_high + (square_low >> LOW_BITS)) * size + float(square_low & LOW)
    share = float(moved) / float(count)
    deviations = max(0.0, squares - float(moved) * share)
    put_moments(values, n, s, float(centre), share, deviations)


@exact
def mean_var(n, count, sums, values, correction, mean, var):
    """Write the means and variances of a summary of values; either may be null."""
    integers, floats = integer_in(count, 0), integer_in(count, 1)
    divisor = float(integers + floats) - correction
    room = allocate(5 * n)
    if is_null(room):
        return MEMORY
    if integers == 0:
        copy_rows(room, values, n, 0, LEAST)
    for s in range(n):
        if integers > 0:
            integer_moments(integers, sums, n, s, room)
        if integers > 0 and floats > 0:
            merge_floats(float(integers), room, float(floats), values, n, s)
        centre, rest, deviations = moments_at(room, n, s)
        if not is_null(mean):
            put(mean, s, centre + rest)
        if not is_null(var):
            put(var, s, deviations / divisor)
    release(room)
    return OK
