"""Summaries merged: those of integers exactly, those of floats by Chan's formula; see `summaries`.

A summary of n statistics is (count, sums, values). `count`, two int64s, are the values of each
statistic: integers, and floats. Where a count is 0, what it is of need not be initialised.
"""

import math

from numbanorm._status import MEMORY, OK, Status
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.statistics import two_sum
from numbanorm.kernels.operations.summaries import joined, put_sum, summarize
from numbanorm.kernels.simd.pointers import (
    at,
    elements,
    get,
    integer_in,
    is_null,
    pointer,
    put,
    put_integer,
)
from numbanorm.kernels.simd.room import allocate, as_integers, release
from numbanorm.kernels.simd.storage import is_integer
from numbanorm.kernels.threads.drivers import exact, serial
from numbanorm.plan.summary import DEVIATIONS, GREATEST, LEAST, MOST, REST, ROWS

SIZE = int(Status.SIZE)


@inlined
def moments_at(values, n, s):
    """Return the mean of the floats of statistic s, what it lacks, and their deviations."""
    return get(values, s), get(values, REST * n + s), get(values, DEVIATIONS * n + s)


@inlined
def put_moments(values, n, s, mean, rest, deviations):
    """Write what `moments_at` returns."""
    put(values, s, mean)
    put(values, REST * n + s, rest)
    put(values, DEVIATIONS * n + s, deviations)


@leaf
def merge_floats(count, values, more, others, n, s):
    """Merge the moments of floats of statistic s.

    Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances", 1979; the mean is a sum of two float64s, so that no number of merges wears it down.
    """
    mean, rest, m2 = moments_at(values, n, s)
    other, other_rest, other_m2 = moments_at(others, n, s)
    share = more / (count + more)
    delta, lost = two_sum(other, -mean)
    if not (math.isfinite(mean) and math.isfinite(other)):
        put_moments(values, n, s, mean + other, 0.0, math.nan)
        return
    if not math.isfinite(delta):
        # The means are of either sign, near the largest number.
        put_moments(values, n, s, mean * (1.0 - share) + other * share, 0.0, math.inf)
        return
    delta += lost + (other_rest - rest)
    step = delta * share
    if more > count:
        # What is added is found with one float64's digits: let it be the smaller step.
        mean, rest, step = other, other_rest, -delta * (count / (count + more))
    high, low = two_sum(mean, step)
    high, low = two_sum(high, low + rest)
    put_moments(values, n, s, high, low, m2 + other_m2 + delta * delta * (count * share))


@leaf
def merge_integers(sums, others, n, s):
    """Add the sums of integers of statistic s."""
    for row in range(0, 4, 2):
        high, low = joined(sums, n, row, s)
        more_high, more_low = joined(others, n, row, s)
        put_sum(sums, n, row, s, high + more_high, low + more_low)


@inlined
def copy_rows(sums, others, n, first, last):
    """Set rows of an array to those of another."""
    for i in range(first * n, last * n):
        put(sums, i, get(others, i))


@leaf
def merge_extremes(values, others, n, s):
    """Merge the extremes of statistic s; NaN stays."""
    low, high = get(values, LEAST * n + s), get(values, GREATEST * n + s)
    least, greatest = get(others, LEAST * n + s), get(others, GREATEST * n + s)
    if least < low or least != least:
        put(values, LEAST * n + s, least)
    if greatest > high or greatest != greatest:
        put(values, GREATEST * n + s, greatest)


@exact
def merge_summaries(n, count, sums, values, more, more_sums, more_values):
    """Merge a summary of n statistics into another; the counts together are an int64."""
    integers, floats = integer_in(count, 0), integer_in(count, 1)
    more_integers, more_floats = integer_in(more, 0), integer_in(more, 1)
    if more_integers > 0:
        if integers == 0:
            for i in range(4 * n):
                put_integer(sums, i, integer_in(more_sums, i))
        else:
            for s in range(n):
                merge_integers(sums, more_sums, n, s)
    if more_floats > 0:
        if floats == 0:
            copy_rows(values, more_values, n, 0, LEAST)
        else:
            for s in range(n):
                merge_floats(float(floats), values, float(more_floats), more_values, n, s)
    if more_integers + more_floats > 0:
        if integers + floats == 0:
            copy_rows(values, more_values, n, LEAST, GREATEST + 1)
        else:
            for s in range(n):
                merge_extremes(values, more_values, n, s)
    put_integer(count, 0, integers + more_integers)
    put_integer(count, 1, floats + more_floats)


@serial
def merge(count, sums, values, more, more_sums, more_values):
    """Like `merge_summaries`, for arrays."""
    here = pointer(count), pointer(sums), pointer(values)
    there = pointer(more), pointer(more_sums), pointer(more_values)
    merge_summaries(elements(values) // ROWS, *here, *there)


@leaf
def update(view, x, count, sums, values, workers):
    """Merge the summary of x's statistics, not empty, into another; returns a status.

    That is `SIZE` where the counts would be more than an int64 holds.
    """
    n, more = view[0] * view[2], view[1] * view[3] * view[4]
    if more > MOST - integer_in(count, 0) - integer_in(count, 1):
        return SIZE
    room = allocate(9 * n + 2)
    if is_null(room):
        return MEMORY
    found, there = as_integers(at(room, 5 * n)), at(room, 0)
    counts = as_integers(at(room, 9 * n))
    put_integer(counts, 0, more if is_integer(x) else 0)
    put_integer(counts, 1, 0 if is_integer(x) else more)
    status = summarize(view, (x, found, there), workers)
    if status == OK:
        merge_summaries(n, count, sums, values, counts, found, there)
    release(room)
    return status
