"""The C functions, all of them: those of batch, instance and group norm here, others imported.

They check C's arguments, then call the operations that Python calls too.

Each function here is an entry of `numbanorm.cabi.declarations`, which says what its arguments are,
compiled for each of its types. None raises; each returns a status.
"""

from numbanorm.kernels.c.channels import channel_mean_var as channel_mean_var
from numbanorm.kernels.c.channels import channel_normalize as channel_normalize
from numbanorm.kernels.c.checks import (
    GROUPS,
    MOMENTUM,
    NCHW,
    NONE,
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
from numbanorm.kernels.c.moments import moments_mean_var as moments_mean_var
from numbanorm.kernels.c.moments import moments_merge as moments_merge
from numbanorm.kernels.c.moments import moments_update as moments_update
from numbanorm.kernels.c.rows import layer_norm as layer_norm
from numbanorm.kernels.c.rows import layer_norm_backward as layer_norm_backward
from numbanorm.kernels.c.rows import rms_norm as rms_norm
from numbanorm.kernels.c.rows import rms_norm_backward as rms_norm_backward
from numbanorm.kernels.c.views import check_backward, gradients, normalize_view, workers_on
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.routes import affine
from numbanorm.kernels.simd.pointers import null
from numbanorm.kernels.tiles import (
    batch_view,
    group_view,
    instance_view,
)

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


@leaf
def strerror(status):
    """Words for a status."""
    return message(status)
