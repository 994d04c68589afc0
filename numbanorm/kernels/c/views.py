"""What the C functions of norms share: a view normalised, or its gradients found, once checked.

What the functions share comes in threes: `norm` is (weight, bias, eps), `running` (running_mean,
running_var, momentum); `to` is (dx, dweight, dbias), `forward` (weight, mean, rstd).
"""

import math

from numbanorm._status import MEMORY
from numbanorm.kernels.c.checks import (
    NONE,
    OK,
    check_spans,
    check_there,
    first_of,
    span,
)
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.operations.finishing import move_running, put_statistics
from numbanorm.kernels.routes import backward, normalize
from numbanorm.kernels.simd.pointers import at, is_null, put
from numbanorm.kernels.simd.room import allocate, release
from numbanorm.kernels.threads.launch import threads
from numbanorm.kernels.tiles import (
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
