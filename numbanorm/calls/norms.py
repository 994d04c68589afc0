"""What each norm does, forward and backward: the steps of a call, for functions and layers.

Whoever calls has checked x, by `checks.data`, and the layout, by `checks.layout`; the rest is
checked here, in the order in which errors are promised. `given` is what x was made of, if not x.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, finishing, images, order, running, shapes, statistics
from numbanorm.calls.backward_call import BackwardCall
from numbanorm.calls.call import Call, nothing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def batch_forward(
    x: Array,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: Any,
    eps: Any,
    layout: str,
    out: Any = None,
    given: Any = None,
    tracked: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return y and the mean and variance it was normalised by; update running arrays in training.

    Training also adds one to `tracked`, and a momentum of None then stands for the average of all
    batches. The statistics are float64 in training, else the running ones, float64 or of x's dtype,
    which may be the running arrays themselves. For an empty x in training they are NaN.
    """
    training = bool(training)
    plan = shapes.batch(x.shape, layout, training)
    eps = checks.epsilon(eps)
    if not training:
        checks.inference(running_mean, running_var)
    elif momentum is None and tracked is not None:
        momentum = math.nan
    else:
        momentum = checks.finite("momentum", momentum)
    call = Call(x, plan, weight, bias, out, given, running_mean, running_var, training)
    if not training:
        mean, var = call.running_mean, call.running_var
        return call.affine(mean, var, eps), mean, var
    y, mean, var = call.normalize(eps)
    running.update(call, mean, var, momentum, tracked)
    return y, mean, var


def batch_backward(
    dy: Any,
    x: Array,
    mean: Any,
    rstd: Any,
    weight: Any,
    training: Any,
    layout: str,
    out: Any = None,
    given: Any = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias."""
    plan = shapes.batch(x.shape, layout, False)
    return BackwardCall(dy, x, plan, mean, rstd, weight, out, given).gradients(training)


def instance_forward(
    x: Array,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    use_input_stats: bool,
    momentum: Any,
    eps: Any,
    layout: str,
    out: Any = None,
    given: Any = None,
) -> tuple[Array, Array, Array]:
    """Return y and the means and variances, (N, C), it was normalised by; like `batch_forward`.

    The running arrays move towards the mean over N of each instance's mean and unbiased variance.
    """
    if not use_input_stats:
        y, mean, var = batch_forward(
            x, running_mean, running_var, weight, bias, False, momentum, eps, layout, out, given
        )
        shape = y.shape[0], mean.size
        return y, np.broadcast_to(mean, shape).copy(), np.broadcast_to(var, shape).copy()
    plan = shapes.instance(x.shape, layout, True)
    eps, momentum = checks.epsilon(eps), checks.finite("momentum", momentum)
    call = Call(x, plan, weight, bias, out, given, running_mean, running_var, True)
    y, mean, var = call.normalize(eps)
    running.update(call, mean, var, momentum)
    return y, mean, var


def instance_backward(
    dy: Any,
    x: Array,
    mean: Any,
    rstd: Any,
    weight: Any,
    use_input_stats: Any,
    layout: str,
    out: Any = None,
    given: Any = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias."""
    plan = shapes.instance(x.shape, layout, False)
    return BackwardCall(dy, x, plan, mean, rstd, weight, out, given).gradients(use_input_stats)


def group_forward(
    x: Array,
    num_groups: Any,
    weight: Any,
    bias: Any,
    eps: Any,
    layout: str,
    out: Any = None,
    given: Any = None,
) -> tuple[Array, Array, Array]:
    """Return y and the means and variances, (N, num_groups), float64."""
    plan = shapes.group(x.shape, layout, checks.groups(num_groups), True)
    eps = checks.epsilon(eps)
    return Call(x, plan, weight, bias, out, given).normalize(eps)


def group_backward(
    dy: Any,
    x: Array,
    mean: Any,
    rstd: Any,
    num_groups: Any,
    weight: Any,
    layout: str,
    out: Any = None,
    given: Any = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias."""
    plan = shapes.group(x.shape, layout, checks.groups(num_groups), False)
    return BackwardCall(dy, x, plan, mean, rstd, weight, out, given).gradients(True)


@lru_cache
def machine_epsilon(dtype: np.dtype[Any]) -> float:
    """Return RMS norm's default eps, as torch has it: that of what is computed with."""
    return float(np.finfo(checks.DTYPES[dtype]).eps)


def row_forward(
    x: Array,
    normalized_shape: Any,
    weight: Any,
    bias: Any,
    eps: Any,
    centred: bool,
    out: Any = None,
    given: Any = None,
) -> tuple[Array, Array, Array]:
    """Return y and the means and variances of the last axes, which keep a size of 1, float64.

    If not `centred`, the means are 0 and the variances mean squares.
    """
    plan = shapes.rows(x.shape, checks.normalized_shape(normalized_shape))
    eps = checks.epsilon(eps)
    return Call(x, plan, weight, bias, out, given).normalize(eps, centred)


def row_backward(
    dy: Any,
    x: Array,
    mean: Any,
    rstd: Any,
    normalized_shape: Any,
    weight: Any,
    centred: bool,
    out: Any = None,
    given: Any = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias; without a mean where x was not `centred`."""
    plan = shapes.rows(x.shape, checks.normalized_shape(normalized_shape))
    call = BackwardCall(dy, x, plan, mean, rstd, weight, out, given, centred)
    dx, dweight, dbias = call.gradients(True)
    return dx, dweight.reshape(plan.parameters), dbias.reshape(plan.parameters)


def moments(x: Array, layout: str, correction: Any) -> tuple[Array, Array]:
    """Return the mean and variance of each channel."""
    plan = shapes.batch(x.shape, layout, False)
    correction = checks.correction(correction, plan.values)
    if x.size == 0:
        return nothing(plan.statistics)
    memory, _, view = order.arrange(x, plan)
    return statistics.of_memory(memory, view, plan.statistics, correction)


def standardize(x: Array, mean: Any, std: Any, layout: str, out: Any, given: Any) -> Array:
    """Return (x - mean) / std, in x's dtype, or of integers float32."""
    plan = shapes.batch(x.shape, layout, False)
    mean = checks.numbers("mean", mean, plan.parameters)
    std = checks.numbers("std", std, plan.parameters)
    if x.dtype in checks.INTEGERS:
        return images.of_channels(x, plan, mean, std, layout, out)
    weight, var = finishing.divisors(std, checks.DTYPES[x.dtype])
    call = Call(x, plan, weight, None, out, given)
    if out is not None:
        checks.apart(out, (mean, std))
    return call.affine(mean, var, 0.0)
