"""The C functions: checks of C's arguments, then the operations that Python calls too.

Each function here is an entry of `numbanorm.cabi.declarations`, which says what its arguments are,
compiled for float and for double. None raises; each returns a status.
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
    address,
    check_eps,
    check_finite,
    check_spans,
    check_there,
    first_of,
    image_elements,
    product,
    span,
)
from numbanorm.kernels.c.messages import message
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.deviations import variance
from numbanorm.kernels.operations.finishing import fill_divisors, move_running, put_statistics
from numbanorm.kernels.routes import affine, backward, moments, normalize
from numbanorm.kernels.simd.pointers import allocate, as_like, at, get, is_null, null, put, release
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


@leaf
def forward(
    view, y, x, weight, bias, running_mean, running_var, momentum, eps, mean, rstd, centred
):
    """Normalise a view by its own statistics; write those, and move running ones towards them."""
    batch, outer, group, width, run = view
    found = batch * group
    if size_of(view) == 0:
        fill(mean, found, math.nan)
        fill(rstd, found, math.nan)
        return OK
    work = allocate(2 * found)
    if is_null(work):
        return MEMORY
    means, variances = work, at(work, found)
    args = y, x, weight, bias, means, variances, eps, centred
    status = normalize(view, args, workers_on(view))
    if status == OK:
        put_statistics(mean, rstd, means, variances, found, eps)
        if not is_null(running_mean) or not is_null(running_var):
            count = outer * width * run
            move_running(running_mean, running_var, means, variances, group, batch, count, momentum)
    release(work)
    return status


@leaf
def gradients(view, dx, dweight, dbias, dy, x, weight, mean, rstd, training, centred):
    """Write all gradients of a view."""
    slots = view[2] * view[3]
    if size_of(view) == 0:
        fill(dweight, slots, 0.0)
        fill(dbias, slots, 0.0)
        return OK
    args = dx, dweight, dbias, dy, x, weight, mean, rstd, training, centred
    return backward(view, args, workers_on(view))


# --- batch and instance norm -------------------------------------------------------------------


@leaf
def check_train(
    y, x, layout, n, channels, spatial, weight, bias, running_mean, running_var, momentum, eps,
    mean, rstd, found,
):  # fmt: skip
    """Check what batch and instance norm are given in training; there are `found` statistics."""
    status, elements, _ = image_elements(layout, n, channels, spatial)
    status = first_of(status, first_of(check_eps(eps), check_finite(momentum, MOMENTUM)))
    if status != OK:
        return status
    status = first_of(check_there(y, elements), check_there(x, elements))
    written = (
        span(y, elements),
        span(mean, found),
        span(rstd, found),
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
    status = check_train(
        y, x, layout, n, channels, spatial, weight, bias, running_mean, running_var, momentum, eps,
        mean, rstd, channels,
    )  # fmt: skip
    if status != OK:
        return status
    if channels > 0 and n * spatial == 1:
        return ONE_VALUE
    view = batch_view(layout == NCHW, n, channels, spatial)
    return forward(
        view, y, x, weight, bias, running_mean, running_var, momentum, eps, mean, rstd, True
    )


@leaf
def instance_norm_train(
    y, x, layout, n, channels, spatial, weight, bias, running_mean, running_var, momentum, eps,
    mean, rstd,
):  # fmt: skip
    """Instance norm by each image's statistics."""
    status = check_train(
        y, x, layout, n, channels, spatial, weight, bias, running_mean, running_var, momentum, eps,
        mean, rstd, n * channels,
    )  # fmt: skip
    if status != OK:
        return status
    if spatial == 1:
        return ONE_VALUE
    view = instance_view(layout == NCHW, n, channels, spatial)
    return forward(
        view, y, x, weight, bias, running_mean, running_var, momentum, eps, mean, rstd, True
    )


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
def check_backward(dx, dweight, dbias, dy, x, elements, slots, weight, mean, rstd, found):
    """Check what a backward function is given: x of so many elements, weights and statistics."""
    status = first_of(check_there(dx, elements), check_there(dy, elements))
    status = first_of(status, first_of(check_there(x, elements), check_there(rstd, elements)))
    written = span(dx, elements), span(dweight, slots), span(dbias, slots), NONE, NONE
    read = (
        span(dy, elements),
        span(x, elements),
        span(weight, slots),
        span(mean, found),
        span(rstd, found),
    )
    return first_of(status, check_spans(written, read, 2))


@leaf
def images_backward(
    view, status, dx, dweight, dbias, dy, x, elements, channels, weight, mean, rstd, training
):
    """Check, unless the status says no already, and write the gradients of images."""
    if status != OK:
        return status
    found = view[0] * view[2]
    status = first_of(
        check_there(mean, elements),
        check_backward(dx, dweight, dbias, dy, x, elements, channels, weight, mean, rstd, found),
    )
    if status != OK:
        return status
    return gradients(view, dx, dweight, dbias, dy, x, weight, mean, rstd, training != 0, True)


@leaf
def batch_norm_backward(
    dx, dweight, dbias, dy, x, layout, n, channels, spatial, weight, mean, rstd, training
):
    """Gradients of batch norm."""
    status, elements, _ = image_elements(layout, n, channels, spatial)
    view = batch_view(layout == NCHW, n, channels, spatial)
    return images_backward(
        view, status, dx, dweight, dbias, dy, x, elements, channels, weight, mean, rstd, training
    )


@leaf
def instance_norm_backward(
    dx, dweight, dbias, dy, x, layout, n, channels, spatial, weight, mean, rstd, training
):
    """Gradients of instance norm."""
    status, elements, _ = image_elements(layout, n, channels, spatial)
    view = instance_view(layout == NCHW, n, channels, spatial)
    return images_backward(
        view, status, dx, dweight, dbias, dy, x, elements, channels, weight, mean, rstd, training
    )


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
    none = null(x)
    return forward(view, y, x, weight, bias, none, none, 0.0, eps, mean, rstd, True)


@leaf
def group_norm_backward(
    dx, dweight, dbias, dy, x, layout, n, channels, spatial, num_groups, weight, mean, rstd
):
    """Gradients of group norm."""
    status, elements = group_elements(layout, n, channels, spatial, num_groups)
    groups = num_groups if status == OK else 1
    view = group_view(layout == NCHW, n, channels, spatial, groups)
    return images_backward(
        view, status, dx, dweight, dbias, dy, x, elements, channels, weight, mean, rstd, 1
    )


# --- layer and RMS norm ------------------------------------------------------------------------


@leaf
def rows_forward(y, x, rows, size, weight, bias, eps, mean, rstd, centred):
    """Normalise rows by their own statistics."""
    elements = product(rows, size)
    if elements < 0 or product(1, rows) < 0 or product(1, size) < 0:
        return SIZE
    status = first_of(check_eps(eps), first_of(check_there(y, elements), check_there(x, elements)))
    written = span(y, elements), span(mean, rows), span(rstd, rows), NONE, NONE
    read = span(x, elements), span(weight, size), span(bias, size), NONE, NONE
    status = first_of(status, check_spans(written, read, 1))
    if status != OK:
        return status
    view, none = row_view(rows, size), null(x)
    return forward(view, y, x, weight, bias, none, none, 0.0, eps, mean, rstd, centred)


@leaf
def layer_norm(y, x, rows, size, weight, bias, eps, mean, rstd):
    """Layer norm."""
    return rows_forward(y, x, rows, size, weight, bias, eps, mean, rstd, True)


@leaf
def rms_norm(y, x, rows, size, weight, eps, rstd):
    """RMS norm."""
    return rows_forward(y, x, rows, size, weight, null(x), eps, null(rstd), rstd, False)


@leaf
def rows_backward(dx, dweight, dbias, dy, x, rows, size, weight, mean, rstd, centred):
    """Check and write the gradients of rows."""
    elements = product(rows, size)
    if elements < 0 or product(1, rows) < 0 or product(1, size) < 0:
        return SIZE
    status = check_backward(dx, dweight, dbias, dy, x, elements, size, weight, mean, rstd, rows)
    if status != OK:
        return status
    return gradients(
        row_view(rows, size), dx, dweight, dbias, dy, x, weight, mean, rstd, True, centred
    )


@leaf
def layer_norm_backward(dx, dweight, dbias, dy, x, rows, size, weight, mean, rstd):
    """Gradients of layer norm."""
    if rows > 0 and size > 0 and address(mean) == 0:
        return NULL
    return rows_backward(dx, dweight, dbias, dy, x, rows, size, weight, mean, rstd, True)


@leaf
def rms_norm_backward(dx, dweight, dy, x, rows, size, weight, rstd):
    """Gradients of RMS norm."""
    return rows_backward(dx, dweight, null(dx), dy, x, rows, size, weight, null(rstd), rstd, False)


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
    weight, var = as_like(at(work, channels), x), work
    fill_divisors(std, weight, var, channels)
    view = batch_view(layout == NCHW, n, channels, spatial)
    status = affine(view, (y, x, weight, null(x), mean, var, 0.0, False), workers_on(view))
    release(work)
    return status


@leaf
def strerror(status):
    """Words for a status."""
    return message(status)
