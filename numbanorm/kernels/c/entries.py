"""The C functions: checks of C's arguments, then the operations that Python calls too.

Each function here is an entry of `numbanorm.cabi.declarations`, which says what its arguments are,
compiled for each of its types. None raises; each returns a status.
"""

import math

from numbanorm._status import MEMORY
from numbanorm.kernels.c.checks import (
    CORRECTION,
    GROUPS,
    MOMENTUM,
    NCHW,
    NONE,
    NULL,
    OK,
    ONE_VALUE,
    SIZE,
    check_eps,
    check_finite,
    check_spans,
    check_there,
    first_of,
    image_elements,
    product,
    span,
)
from numbanorm.kernels.c.images import normalize_images as normalize_images
from numbanorm.kernels.c.messages import message
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.deviations import variance
from numbanorm.kernels.operations.finishing import fill_divisors, move_running, put_statistics
from numbanorm.kernels.routes import affine, backward, moments, normalize
from numbanorm.kernels.simd.pointers import (
    address,
    allocate,
    as_computed,
    at,
    get,
    is_null,
    null,
    put,
    release,
)
from numbanorm.kernels.threads.launch import threads
from numbanorm.kernels.tiles import (
    batch_view,
    group_view,
    instance_view,
    row_view,
    size_of,
    workers_for,
)


@inlined
def workers_on(view):
    """Return how many threads work on a view."""
    return workers_for(size_of(view), threads())


@leaf
def fill(p, n, value):
    """Set n elements, if p is not null."""
    if not is_null(p):
        for i in range(n):
            put(p, i, value)


# --- norms, on a view --------------------------------------------------------------------------

# What the functions share comes in threes: `norm` is (weight, bias, eps), `running` (running_mean,
# running_var, momentum); `to` is (dx, dweight, dbias), `forward` (weight, mean, rstd).


@leaf
def normalize_view(view, y, x, norm, running, found, centred):
    """Normalise a view by its own statistics; write those, and move running ones towards them.

    `found` is (mean, rstd), where statistics are written.
    """
    (weight, bias, eps), (mean, rstd), (batch, outer, group, width, run) = norm, found, view
    count = batch * group
    if size_of(view) == 0:
        fill(mean, count, math.nan)
        fill(rstd, count, math.nan)
        return OK
    work = allocate(2 * count)
    if is_null(work):
        return MEMORY
    means, variances = work, at(work, count)
    args = y, x, weight, bias, means, variances, eps, centred
    status = normalize(view, args, workers_on(view))
    if status == OK:
        put_statistics(mean, rstd, means, variances, count, eps)
        running_mean, running_var, momentum = running
        if not is_null(running_mean) or not is_null(running_var):
            values, blended = outer * width * run, (running_mean, running_var, means, variances)
            move_running(*blended, group, batch, values, momentum)
    release(work)
    return status


@leaf
def gradients(view, to, dy, x, forward, training, centred):
    """Write all gradients of a view."""
    _, dweight, dbias = to
    slots = view[2] * view[3]
    if size_of(view) == 0:
        fill(dweight, slots, 0.0)
        fill(dbias, slots, 0.0)
        return OK
    return backward(view, (*to, dy, x, *forward, training, centred), workers_on(view))


# --- batch and instance norm -------------------------------------------------------------------


@leaf
def check_train(y, x, images, norm, running, found, count):
    """Check what batch and instance norm are given in training; there are `count` statistics.

    `images` is (layout, n, channels, spatial).
    """
    (weight, bias, eps), (running_mean, running_var, momentum), (mean, rstd) = norm, running, found
    layout, n, channels, spatial = images
    status, elements, _ = image_elements(layout, n, channels, spatial)
    status = first_of(status, first_of(check_eps(eps), check_finite(momentum, MOMENTUM)))
    if status != OK:
        return status
    status = first_of(check_there(y, elements), check_there(x, elements))
    written = (
        span(y, elements),
        span(mean, count),
        span(rstd, count),
        span(running_mean, channels),
        span(running_var, channels),
    )
    read = span(x, elements), span(weight, channels), span(bias, channels), NONE, NONE
    return first_of(status, check_spans(written, read, 1))


@leaf
def batch_norm_train(
    y, x, layout, n, channels, spatial, weight, bias, running_mean, running_var, momentum, eps,
    mean, rstd,
):  # fmt: skip
    """Batch norm by the batch's statistics."""
    norm, running, found = (weight, bias, eps), (running_mean, running_var, momentum), (mean, rstd)
    images = layout, n, channels, spatial
    status = check_train(y, x, images, norm, running, found, channels)
    if status != OK:
        return status
    if channels > 0 and n * spatial == 1:
        return ONE_VALUE
    view = batch_view(layout == NCHW, n, channels, spatial)
    return normalize_view(view, y, x, norm, running, found, True)


@leaf
def instance_norm_train(
    y, x, layout, n, channels, spatial, weight, bias, running_mean, running_var, momentum, eps,
    mean, rstd,
):  # fmt: skip
    """Instance norm by each image's statistics."""
    norm, running, found = (weight, bias, eps), (running_mean, running_var, momentum), (mean, rstd)
    images = layout, n, channels, spatial
    status = check_train(y, x, images, norm, running, found, n * channels)
    if status != OK:
        return status
    if spatial == 1:
        return ONE_VALUE
    view = instance_view(layout == NCHW, n, channels, spatial)
    return normalize_view(view, y, x, norm, running, found, True)


@leaf
def batch_norm_infer(y, x, layout, n, channels, spatial, weight, bias, mean, var, eps):
    """Batch norm by given statistics."""
    status, elements, _ = image_elements(layout, n, channels, spatial)
    status = first_of(status, check_eps(eps))
    if status != OK:
        return status
    status = first_of(check_there(y, elements), check_there(x, elements))
    status = first_of(status, first_of(check_there(mean, elements), check_there(var, elements)))
    read = (
        span(x, elements),
        span(weight, channels),
        span(bias, channels),
        span(mean, channels),
        span(var, channels),
    )
    written = span(y, elements), NONE, NONE, NONE, NONE
    status = first_of(status, check_spans(written, read, 1))
    if status != OK or elements == 0:
        return status
    view = batch_view(layout == NCHW, n, channels, spatial)
    return affine(view, (y, x, weight, bias, mean, var, eps, False), workers_on(view))


instance_norm_infer = batch_norm_infer


@leaf
def check_backward(to, dy, x, forward, elements, slots, count):
    """Check what a backward function is given: x of so many elements, weights and statistics."""
    (dx, dweight, dbias), (weight, mean, rstd) = to, forward
    status = first_of(check_there(dx, elements), check_there(dy, elements))
    status = first_of(status, first_of(check_there(x, elements), check_there(rstd, elements)))
    written = span(dx, elements), span(dweight, slots), span(dbias, slots), NONE, NONE
    read = (
        span(dy, elements),
        span(x, elements),
        span(weight, slots),
        span(mean, count),
        span(rstd, count),
    )
    return first_of(status, check_spans(written, read, 2))


@leaf
def images_backward(view, status, elements, to, dy, x, forward, training):
    """Check, unless the status says no already, and write the gradients of images."""
    if status != OK:
        return status
    slots, count = view[2] * view[3], view[0] * view[2]
    status = first_of(
        check_there(forward[1], elements),
        check_backward(to, dy, x, forward, elements, slots, count),
    )
    if status != OK:
        return status
    return gradients(view, to, dy, x, forward, training != 0, True)


@leaf
def batch_norm_backward(
    dx, dweight, dbias, dy, x, layout, n, channels, spatial, weight, mean, rstd, training
):
    """Gradients of batch norm."""
    status, elements, _ = image_elements(layout, n, channels, spatial)
    view = batch_view(layout == NCHW, n, channels, spatial)
    to, forward = (dx, dweight, dbias), (weight, mean, rstd)
    return images_backward(view, status, elements, to, dy, x, forward, training)


@leaf
def instance_norm_backward(
    dx, dweight, dbias, dy, x, layout, n, channels, spatial, weight, mean, rstd, training
):
    """Gradients of instance norm."""
    status, elements, _ = image_elements(layout, n, channels, spatial)
    view = instance_view(layout == NCHW, n, channels, spatial)
    to, forward = (dx, dweight, dbias), (weight, mean, rstd)
    return images_backward(view, status, elements, to, dy, x, forward, training)


# --- group norm --------------------------------------------------------------------------------


@inlined
def group_elements(layout, n, channels, spatial, num_groups):
    """Return (status, elements of x)."""
    status, elements, _ = image_elements(layout, n, channels, spatial)
    if status == OK:
        if num_groups < 1 or channels % num_groups != 0:
            status = GROUPS
        elif product(n, num_groups) < 0:
            status = SIZE
    return status, elements


@leaf
def group_norm(y, x, layout, n, channels, spatial, num_groups, weight, bias, eps, mean, rstd):
    """Group norm."""
    status, elements = group_elements(layout, n, channels, spatial, num_groups)
    status = first_of(status, check_eps(eps))
    if status != OK:
        return status
    if elements == num_groups:
        return ONE_VALUE
    status = first_of(check_there(y, elements), check_there(x, elements))
    found = n * num_groups
    written = span(y, elements), span(mean, found), span(rstd, found), NONE, NONE
    read = span(x, elements), span(weight, channels), span(bias, channels), NONE, NONE
    status = first_of(status, check_spans(written, read, 1))
    if status != OK:
        return status
    view = group_view(layout == NCHW, n, channels, spatial, num_groups)
    none = null(weight), null(weight), 0.0
    return normalize_view(view, y, x, (weight, bias, eps), none, (mean, rstd), True)


@leaf
def group_norm_backward(
    dx, dweight, dbias, dy, x, layout, n, channels, spatial, num_groups, weight, mean, rstd
):
    """Gradients of group norm."""
    status, elements = group_elements(layout, n, channels, spatial, num_groups)
    groups = num_groups if status == OK else 1
    view = group_view(layout == NCHW, n, channels, spatial, groups)
    to, forward = (dx, dweight, dbias), (weight, mean, rstd)
    return images_backward(view, status, elements, to, dy, x, forward, 1)


# --- layer and RMS norm ------------------------------------------------------------------------


@leaf
def rows_forward(y, x, rows, size, norm, found, centred):
    """Normalise rows by their own statistics."""
    (weight, bias, eps), (mean, rstd) = norm, found
    elements = product(rows, size)
    if elements < 0 or product(1, rows) < 0 or product(1, size) < 0:
        return SIZE
    status = first_of(check_eps(eps), first_of(check_there(y, elements), check_there(x, elements)))
    written = span(y, elements), span(mean, rows), span(rstd, rows), NONE, NONE
    read = span(x, elements), span(weight, size), span(bias, size), NONE, NONE
    status = first_of(status, check_spans(written, read, 1))
    if status != OK:
        return status
    none = null(weight), null(weight), 0.0
    return normalize_view(row_view(rows, size), y, x, norm, none, found, centred)


@leaf
def layer_norm(y, x, rows, size, weight, bias, eps, mean, rstd):
    """Layer norm."""
    return rows_forward(y, x, rows, size, (weight, bias, eps), (mean, rstd), True)


@leaf
def rms_norm(y, x, rows, size, weight, eps, rstd):
    """RMS norm."""
    return rows_forward(y, x, rows, size, (weight, null(weight), eps), (null(rstd), rstd), False)


@leaf
def rows_backward(to, dy, x, rows, size, forward, centred):
    """Check and write the gradients of rows."""
    elements = product(rows, size)
    if elements < 0 or product(1, rows) < 0 or product(1, size) < 0:
        return SIZE
    status = check_backward(to, dy, x, forward, elements, size, rows)
    if status != OK:
        return status
    return gradients(row_view(rows, size), to, dy, x, forward, True, centred)


@leaf
def layer_norm_backward(dx, dweight, dbias, dy, x, rows, size, weight, mean, rstd):
    """Gradients of layer norm."""
    if rows > 0 and size > 0 and address(mean) == 0:
        return NULL
    to, forward = (dx, dweight, dbias), (weight, mean, rstd)
    return rows_backward(to, dy, x, rows, size, forward, True)


@leaf
def rms_norm_backward(dx, dweight, dy, x, rows, size, weight, rstd):
    """Gradients of RMS norm."""
    to, forward = (dx, dweight, null(dweight)), (weight, null(rstd), rstd)
    return rows_backward(to, dy, x, rows, size, forward, False)


# --- statistics alone --------------------------------------------------------------------------


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


@leaf
def strerror(status):
    """Words for a status."""
    return message(status)
