"""From checked arguments to results: what the public functions and the layers have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import _checks, _run, _shapes, _stats
from numbanorm._task import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def batch_forward(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    training: bool,
    momentum: Any,
    eps: Any,
    layout: str,
    out: Any,
    tracked: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return y and the mean and variance it was normalised by; update running arrays in training.

    Training also adds one to `tracked`, and a momentum of None then stands for the average of all
    batches. The statistics are float64 in training, else the running ones, float64 or of x's dtype,
    which may be the running arrays themselves. For an empty x in training they are NaN.
    """
    task, training = Task(x), bool(training)
    task.plan = plan = _shapes.batch(task.x.shape, _checks.layout(layout), training)
    eps = _checks.epsilon(eps)
    if not training:
        _checks.inference(running_mean, running_var)
    elif momentum is None and tracked is not None:
        momentum = math.nan
    else:
        momentum = _checks.finite("momentum", momentum)
    if not task.is_plain(out, weight, bias, running_mean, running_var):
        weight, bias = task.parameters(weight, bias)
        running_mean, running_var = task.running(running_mean, running_var, training)
        task.check_out(out, weight, bias, running_mean, running_var)
    if not training:
        y = task.affine(weight, bias, running_mean, running_var, eps, out)
        return y, running_mean, running_var
    y, mean, var = task.normalize(weight, bias, eps, out)
    if task.x.size and (running_mean is not None or running_var is not None):
        plain = task.plain and tracked is None
        _stats.update(running_mean, running_var, tracked, mean, var, plan.values, momentum, plain)
    elif tracked is not None:
        tracked += 1
    return y, mean, var


def batch_backward(
    dy: Any, x: Any, mean: Any, rstd: Any, weight: Any, training: Any, layout: str, out: Any
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias."""
    task = Task(x)
    task.plan = _shapes.batch(task.x.shape, _checks.layout(layout), False)
    weight, _ = task.parameters(weight, None)
    return task.backward(dy, mean, rstd, weight, training, out)


def instance_forward(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any,
    bias: Any,
    use_input_stats: bool,
    momentum: Any,
    eps: Any,
    layout: str,
    out: Any,
) -> tuple[Array, Array, Array]:
    """Return y and the means and variances, (N, C), it was normalised by; like `batch_forward`.

    The running arrays move towards the mean over N of each instance's mean and unbiased variance.
    """
    if not use_input_stats:
        y, mean, var = batch_forward(
            x, running_mean, running_var, weight, bias, False, momentum, eps, layout, out
        )
        shape = y.shape[0], mean.size
        return y, np.broadcast_to(mean, shape).copy(), np.broadcast_to(var, shape).copy()
    task = Task(x)
    task.plan = plan = _shapes.instance(task.x.shape, _checks.layout(layout), True)
    eps, momentum = _checks.epsilon(eps), _checks.finite("momentum", momentum)
    if not task.is_plain(out, weight, bias, running_mean, running_var):
        weight, bias = task.parameters(weight, bias)
        running_mean, running_var = task.running(running_mean, running_var, True)
        task.check_out(out, weight, bias, running_mean, running_var)
    y, mean, var = task.normalize(weight, bias, eps, out)
    if task.x.size and (running_mean is not None or running_var is not None):
        count = plan.values
        _stats.update(running_mean, running_var, None, mean, var, count, momentum, task.plain)
    return y, mean, var


def instance_backward(
    dy: Any, x: Any, mean: Any, rstd: Any, weight: Any, use_input_stats: Any, layout: str, out: Any
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias."""
    task = Task(x)
    task.plan = _shapes.instance(task.x.shape, _checks.layout(layout), False)
    weight, _ = task.parameters(weight, None)
    return task.backward(dy, mean, rstd, weight, use_input_stats, out)


def group_forward(
    x: Any, num_groups: Any, weight: Any, bias: Any, eps: Any, layout: str, out: Any
) -> tuple[Array, Array, Array]:
    """Return y and the means and variances, (N, num_groups), float64."""
    task, groups = Task(x), _checks.groups(num_groups)
    task.plan = _shapes.group(task.x.shape, _checks.layout(layout), groups, True)
    eps = _checks.epsilon(eps)
    if not task.is_plain(out, weight, bias):
        weight, bias = task.parameters(weight, bias)
        task.check_out(out, weight, bias)
    return task.normalize(weight, bias, eps, out)


def group_backward(
    dy: Any, x: Any, mean: Any, rstd: Any, num_groups: Any, weight: Any, layout: str, out: Any
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias."""
    task, groups = Task(x), _checks.groups(num_groups)
    task.plan = _shapes.group(task.x.shape, _checks.layout(layout), groups, False)
    weight, _ = task.parameters(weight, None)
    return task.backward(dy, mean, rstd, weight, True, out)


def machine_epsilon(dtype: np.dtype[Any]) -> float:
    """Return RMS norm's default eps, as torch has it."""
    return float(np.finfo(dtype).eps)


def row_forward(
    x: Any, normalized_shape: Any, weight: Any, bias: Any, eps: Any, out: Any, centred: bool
) -> tuple[Array, Array, Array]:
    """Return y and the means and variances of the last axes, which keep a size of 1, float64.

    If not `centred`, the means are 0 and the variances mean squares. An eps of None is the machine
    epsilon of x's dtype.
    """
    task = Task(x)
    sizes = _checks.normalized_shape(normalized_shape)
    task.plan = _shapes.rows(task.x.shape, sizes)
    eps = machine_epsilon(task.dtype) if eps is None else _checks.epsilon(eps)
    if not task.is_plain(out, weight, bias):
        weight, bias = task.parameters(weight, bias)
        task.check_out(out, weight, bias)
    return task.normalize(weight, bias, eps, out, centred)


def row_backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    normalized_shape: Any,
    weight: Any,
    out: Any,
    centred: bool,
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias; without a mean where x was not `centred`."""
    task = Task(x)
    sizes = _checks.normalized_shape(normalized_shape)
    task.plan = _shapes.rows(task.x.shape, sizes)
    weight, _ = task.parameters(weight, None)
    dx, dweight, dbias = task.backward(dy, mean, rstd, weight, True, out, centred)
    return dx, dweight.reshape(sizes), dbias.reshape(sizes)


def moments(x: Any, layout: str, correction: Any) -> tuple[Array, Array]:
    """Return the mean and variance of each channel."""
    task = Task(x)
    task.plan = plan = _shapes.batch(task.x.shape, _checks.layout(layout), False)
    correction = _checks.correction(correction, plan.values)
    mean, var = task.moments()
    if task.x.size:
        var = _run.variances(var, plan.values / (plan.values - correction))
    return mean, var


def standardize(x: Any, mean: Any, std: Any, layout: str, out: Any) -> Array:
    """Return (x - mean) / std."""
    task = Task(x)
    task.plan = plan = _shapes.batch(task.x.shape, _checks.layout(layout), False)
    mean = _checks.numbers("mean", mean, plan.parameters)
    std = _checks.numbers("std", std, plan.parameters)
    task.check_out(out, mean, std)
    weight, var = _run.divisors(std, task.dtype)
    return task.affine(weight, None, mean, var, 0.0, out)
