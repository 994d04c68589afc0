"""Compiled operations, called from Python: flat arrays and a view in, results out.

Arrays are C-contiguous. Means and variances are float64 arrays of batch * group values, or, where
they are given, of x's type. weight and bias may be None.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numbanorm.calls import checks, lookup
from numbanorm.calls.finishing import NONE, flat, handed_over, present, widened
from numbanorm.plan.routes import workers_for
from numbanorm.plan.tuning import PARALLEL_ELEMENTS
from numbanorm.plan.view import View
from numbanorm.threads import counts, workers

Array = NDArray[Any]

_FLOAT64 = np.dtype(np.float64)


def _workers(x: Array) -> int:
    """Return how many threads shall work on an array."""
    size = x.size
    if size < PARALLEL_ELEMENTS:
        return 1
    return workers_for(size, counts.get())


def computed(parameter: Array | None, dtype: np.dtype[Any]) -> Array | None:
    """Return a parameter, if there is one, in the dtype that is computed with."""
    return parameter if parameter is None else parameter.astype(dtype, copy=False)


def moments(x: Array, view: View, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the mean and the biased variance of each statistic, float64 arrays of this shape.

    A variance here is what kernels take for one: see `kernels.loops.deviations`, and `variances`.
    """
    mean, var = np.empty(shape), np.empty(shape)
    number, x = _workers(x), handed_over(x)
    workers.run(lookup.moments(view), view, (x, *flat(mean, var)), number)
    return mean, var


def summarize(x: Array, view: View) -> tuple[Array, Array]:
    """Return the sums and values of each statistic; see `kernels.operations.summaries`."""
    count, number = view[0] * view[2], _workers(x)
    sums, values = np.zeros((4, count), np.int64), np.zeros((5, count))
    operation = lookup.kernels().summaries.summarize
    workers.run(operation, view, (handed_over(x), sums.ravel(), values.ravel()), number)
    return sums, values


def scale(
    images: Array,
    dtype: np.dtype[Any],
    result: np.dtype[Any],
    mean: Array,
    std: Array,
    most: float,
    planar: bool,
    view: View,
) -> None:
    """Normalise images of a dtype to another by sets of means and deviations.

    `images` says where they are, and their results; see `kernels.operations.images`.
    """
    count, height, channels, _, width = view
    elements = count * height * channels * width
    number = workers_for(elements, counts.get())
    y, x = handed_over(np.empty(0, result)), handed_over(np.empty(0, dtype))
    args = images.ravel(), y, x, mean.ravel(), std.ravel(), len(mean), most, planar
    workers.run(lookup.kernels().images.normalize, view, args, number)


def affine(
    y: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    var: Array,
    eps: float,
    view: View,
    backwards: bool = False,
) -> None:
    """Normalise x into y by given means and variances."""
    if weight is None or bias is None:
        weight, bias = present(weight, x), present(bias, x)
    number = _workers(x)
    args = handed_over(y), handed_over(x), weight, bias, mean, var, eps, backwards
    workers.run(lookup.affine(view), view, args, number)


def normalize(
    y: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    view: View,
    shape: tuple[int, ...],
    centred: bool = True,
) -> tuple[Array, Array]:
    """Normalise x into y by its own statistics; returns their means and biased variances.

    Those are float64 arrays of this shape, as `moments` returns them. If not `centred` (rows only),
    x is normalised by its mean square: the mean counts as 0.
    """
    number = _workers(x)
    # What takes less than 4 bytes is computed with in float32.
    operation = lookup.normalize(view, 64 // max(4, x.itemsize), number)
    if operation is None:
        mean, var = moments(x, view, shape)
        if not centred:
            lookup.kernels().finishing.mean_squares(*flat(mean, var))
        # Starting with what was read last.
        affine(y, x, weight, bias, *flat(mean, var), eps, view, backwards=True)
        return mean, var
    mean, var = np.empty(shape), np.empty(shape)
    if weight is None or bias is None:
        weight, bias = present(weight, x), present(bias, x)
    args = handed_over(y), handed_over(x), weight, bias, *flat(mean, var), eps, centred
    workers.run(operation, view, args, number)
    return mean, var


def backward(
    dx: Array,
    dy: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    view: View,
    training: bool,
    centred: bool = True,
) -> tuple[Array, Array]:
    """Write the gradient of x; returns those of weight and bias, in what is computed with.

    If not `centred` (rows only), x was normalised by its mean square: mean is empty.
    """
    # Statistics of either type, one compiled kernel.
    if mean.dtype is not _FLOAT64 or rstd.dtype is not _FLOAT64:
        mean, rstd = widened(mean), widened(rstd)
    kind, number, size = checks.DTYPES[x.dtype], _workers(x), view[2] * view[3]
    if weight is None:
        weight = NONE[kind]
    dweight, dbias = np.empty(size, kind), np.empty(size, kind)
    dx, dy, x = handed_over(dx), handed_over(dy), handed_over(x)
    args = dx, dweight, dbias, dy, x, weight, mean, rstd, training, centred
    workers.run(lookup.backward(view, training), view, args, number)
    return dweight, dbias


def gradient_sums(dy: Array, x: Array, mean: Array, rstd: Array, view: View) -> Array:
    """Return the sums of dy and of dy * x_hat of each line, float64, by given statistics."""
    number, sums = _workers(x), np.empty((2, view[0] * view[2] * view[3]))
    args = (
        sums.ravel(),
        handed_over(dy),
        handed_over(x),
        widened(mean),
        widened(rstd),
    )
    workers.run(lookup.kernels().parts.gradient_sums, view, args, number)
    return sums


def input_gradient(
    dx: Array,
    dy: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    sums: Array,
    count: int,
    view: View,
    training: bool,
) -> None:
    """Write the gradient of x by given sums over all `count` values of each statistic.

    Those are of `gradient_sums`, added up over all arrays that have values of a statistic.
    """
    weight, number = present(weight, x), _workers(x)
    dx, dy, x = handed_over(dx), handed_over(dy), handed_over(x)
    args = (
        dx,
        dy,
        x,
        weight,
        widened(mean),
        widened(rstd),
        sums.ravel(),
        float(count),
        training,
    )
    workers.run(lookup.kernels().parts.input_gradient, view, args, number)


def copy(
    y: Array,
    x: Array,
    z: Array | None = None,
    number: int | None = None,
    streamed: bool | None = None,
) -> None:
    """Copy x, or x + z, to y as fast as memory allows: what all other speed is compared with.

    By as many threads as other work, if no number is given, and past the caches where other results
    are, if not told.
    """
    number, size = _workers(x) if number is None else number, x.size
    y, x, z = handed_over(y), handed_over(x), None if z is None else handed_over(z)
    args = y, x, x[:0] if z is None else z, -1 if streamed is None else int(streamed)
    workers.run(lookup.kernels().copying.copy, (1, 1, 1, 1, size), args, number)
