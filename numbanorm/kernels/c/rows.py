"""The C functions of layer and RMS norm."""

from numbanorm.kernels.c.checks import (
    NONE,
    NULL,
    OK,
    SIZE,
    check_eps,
    check_spans,
    check_there,
    first_of,
    product,
    span,
)
from numbanorm.kernels.c.views import check_backward, gradients, normalize_view
from numbanorm.kernels.compile.options import leaf
from numbanorm.kernels.simd.pointers import address, null
from numbanorm.kernels.tiles import (
    row_view,
)


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
