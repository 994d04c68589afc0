"""The C functions of channels: their statistics, and normalising by given ones."""

import math

from numbanorm._status import MEMORY
from numbanorm.kernels.c.checks import (
    CORRECTION,
    NCHW,
    NONE,
    OK,
    check_finite,
    check_spans,
    check_there,
    first_of,
    image_elements,
    span,
)
from numbanorm.kernels.c.views import fill, workers_on
from numbanorm.kernels.compile.options import leaf
from numbanorm.kernels.loops.deviations import variance
from numbanorm.kernels.operations.finishing import fill_divisors
from numbanorm.kernels.routes import affine, moments
from numbanorm.kernels.simd.pointers import at, get, is_null, null, put
from numbanorm.kernels.simd.room import allocate, as_computed, release
from numbanorm.kernels.tiles import (
    batch_view,
)


@leaf
def channel_mean_var(mean, var, x, layout, n, channels, spatial, correction):
    """Mean and variance of each channel."""
    status, elements, values = image_elements(layout, n, channels, spatial)
    status = first_of(status, check_finite(correction, CORRECTION))
    if status != OK:
        return status
    if values > 0 and correction >= float(values):
        return CORRECTION
    status = check_there(x, elements)
    written = span(mean, channels), span(var, channels), NONE, NONE, NONE
    read = span(x, elements), NONE, NONE, NONE, NONE
    status = first_of(status, check_spans(written, read, 0))
    if status != OK:
        return status
    if elements == 0:
        fill(mean, channels, math.nan)
        fill(var, channels, math.nan)
        return OK
    work = allocate(2 * channels)
    if is_null(work):
        return MEMORY
    view = batch_view(layout == NCHW, n, channels, spatial)
    means, variances = work, at(work, channels)
    status = moments(view, (x, means, variances), workers_on(view))
    if status == OK:
        share = float(values) / (float(values) - correction)
        for c in range(channels):
            if not is_null(mean):
                put(mean, c, get(means, c))
            if not is_null(var):
                put(var, c, variance(get(variances, c)) * share)
    release(work)
    return status


@leaf
def channel_normalize(y, x, layout, n, channels, spatial, mean, std):
    """Normalise each channel by a given mean and standard deviation."""
    status, elements, _ = image_elements(layout, n, channels, spatial)
    if status != OK:
        return status
    status = first_of(check_there(y, elements), check_there(x, elements))
    status = first_of(status, first_of(check_there(mean, elements), check_there(std, elements)))
    written = span(y, elements), NONE, NONE, NONE, NONE
    read = span(x, elements), span(mean, channels), span(std, channels), NONE, NONE
    status = first_of(status, check_spans(written, read, 1))
    if status != OK or elements == 0:
        return status
    work = allocate(2 * channels)
    if is_null(work):
        return MEMORY
    weight, var = as_computed(at(work, channels), x), work
    fill_divisors(std, weight, var, channels)
    view = batch_view(layout == NCHW, n, channels, spatial)
    status = affine(view, (y, x, weight, null(weight), mean, var, 0.0, False), workers_on(view))
    release(work)
    return status
