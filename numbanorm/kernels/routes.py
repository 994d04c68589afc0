"""What `numbanorm.calls.operations` has, for compiled callers: each chooses loops by the view."""

from numbanorm._status import OK
from numbanorm.kernels.compile.options import leaf
from numbanorm.kernels.operations import (
    backward_across,
    backward_along,
    backward_few,
    backward_rows,
    forward_across,
    forward_along,
    forward_rows,
    moments_across,
    moments_along,
)
from numbanorm.kernels.operations.finishing import put_mean_squares
from numbanorm.kernels.simd.memory import lanes
from numbanorm.kernels.tiles import affine_route, backward_route, forward_route, moments_route
from numbanorm.plan.routes import ALONG, FEW, ROWS, TWO_PASSES


@leaf
def moments(view, args, workers):
    """Write the mean and biased variance of each statistic; `args` is (x, mean, var)."""
    if moments_route(view) == ALONG:
        return moments_along.moments(view, args, workers)
    return moments_across.moments(view, args, workers)


@leaf
def affine(view, args, workers):
    """Normalise by given statistics; see `forward_given`."""
    route = affine_route(view)
    if route == ROWS:
        return forward_rows.affine(view, args, workers)
    if route == ALONG:
        return forward_along.affine(view, args, workers)
    return forward_across.affine(view, args, workers)


@leaf
def normalize(view, args, workers):
    """Normalise by x's own statistics, and write those; see `forward_given`."""
    y, x, weight, bias, mean, var, eps, centred = args
    route = forward_route(view, lanes(x), workers)
    if route == ROWS:
        return forward_rows.normalize(view, args, workers)
    if route == ALONG:
        return forward_along.normalize(view, args, workers)
    if route != TWO_PASSES:
        return forward_across.normalize(view, args, workers)
    status = moments(view, (x, mean, var), workers)
    if status != OK:
        return status
    if not centred:
        put_mean_squares(mean, var, view[0] * view[2])
    # Starting with what was read last.
    return affine(view, (y, x, weight, bias, mean, var, eps, True), workers)


@leaf
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    route = backward_route(view, args[8])
    if route == FEW:
        return backward_few.backward(view, args, workers)
    if route == ROWS:
        return backward_rows.backward(view, args, workers)
    if route == ALONG:
        return backward_along.backward(view, args, workers)
    return backward_across.backward(view, args, workers)
