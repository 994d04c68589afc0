"""The C functions of moments: statistics of channels that grow and merge.

A ``nbn_moments`` is five int64s to a kernel: the channels, two counts, and two addresses.
"""

import math

from numbanorm.kernels.c.checks import (
    ALIGNMENT,
    CORRECTION,
    NCHW,
    NONE,
    NULL,
    OK,
    SIZE,
    check_finite,
    check_spans,
    check_there,
    first_of,
    image_elements,
    product,
    span,
)
from numbanorm.kernels.c.views import fill, workers_on
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.operations import merging, reading
from numbanorm.kernels.simd.pointers import address, at, integer_in, pointer_in
from numbanorm.kernels.simd.room import as_doubles
from numbanorm.kernels.tiles import (
    batch_view,
)
from numbanorm.plan.summary import MOST

# What a struct has: channels, counts, sums, values.
WORDS, COUNTS, SUMS, VALUES = 5, 1, 3, 4


@inlined
def parts(moments):
    """Return pointers to the counts, the sums and the values."""
    sums = pointer_in(moments, SUMS, moments)
    return at(moments, COUNTS), sums, pointer_in(moments, VALUES, as_doubles(moments))


@leaf
def check_moments(moments):
    """Return whether a struct and what it points to can be used, as a status."""
    if address(moments) == 0:
        return NULL
    if address(moments) & 7 != 0:
        return ALIGNMENT
    channels = integer_in(moments, 0)
    if product(5, channels) < 0:
        return SIZE
    integers, floats = integer_in(moments, 1), integer_in(moments, 2)
    if integers < 0 or floats < 0 or floats > MOST - integers:
        return SIZE
    _, sums, values = parts(moments)
    return first_of(check_there(sums, channels), check_there(values, channels))


@inlined
def spans(moments):
    """Return the spans of a struct, of its sums and of its values."""
    channels, (_, sums, values) = integer_in(moments, 0), parts(moments)
    return span(moments, WORDS), span(sums, 4 * channels), span(values, 5 * channels)


@leaf
def moments_update(moments, x, layout, n, spatial):
    """Take in the values of an array."""
    status = check_moments(moments)
    if status != OK:
        return status
    channels, (count, sums, values) = integer_in(moments, 0), parts(moments)
    status, elements, _ = image_elements(layout, n, channels, spatial)
    status = first_of(status, check_there(x, elements))
    if status != OK:
        return status
    a, b, c = spans(moments)
    status = check_spans((a, b, c, NONE, NONE), (span(x, elements), NONE, NONE, NONE, NONE), 0)
    if status != OK or elements == 0:
        return status
    view = batch_view(layout == NCHW, n, channels, spatial)
    return merging.update(view, x, count, sums, values, workers_on(view))


@leaf
def moments_merge(moments, other):
    """Take in the values of other moments."""
    status = first_of(check_moments(moments), check_moments(other))
    if status != OK:
        return status
    channels = integer_in(moments, 0)
    if integer_in(other, 0) != channels:
        return SIZE
    (a, b, c), (d, e, f) = spans(moments), spans(other)
    status = check_spans((a, b, c, NONE, NONE), (d, e, f, NONE, NONE), 0)
    if status != OK:
        return status
    here, there = parts(moments), parts(other)
    total = integer_in(moments, 1) + integer_in(moments, 2)
    if integer_in(other, 1) + integer_in(other, 2) > MOST - total:
        return SIZE
    merging.merge_summaries(channels, *here, *there)
    return OK


@leaf
def moments_mean_var(mean, var, moments, correction):
    """Means and variances."""
    status = first_of(check_moments(moments), check_finite(correction, CORRECTION))
    if status != OK:
        return status
    channels, (count, sums, values) = integer_in(moments, 0), parts(moments)
    total = integer_in(moments, 1) + integer_in(moments, 2)
    if total > 0 and correction >= float(total):
        return CORRECTION
    a, b, c = spans(moments)
    written = span(mean, channels), span(var, channels), NONE, NONE, NONE
    status = check_spans(written, (a, b, c, NONE, NONE), 0)
    if status != OK:
        return status
    if total == 0:
        fill(mean, channels, math.nan)
        fill(var, channels, math.nan)
        return OK
    return reading.mean_var(channels, count, sums, values, correction, mean, var)
