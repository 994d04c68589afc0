"""From checked arguments to results: what the public functions and the layers have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import _checks, _plan, _run, _stats
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

    Training also adds one to `tracked`. The statistics are float64 in training, else of x's dtype,
    and never the running arrays themselves unless those are C-contiguous. For an empty x in
    training they are NaN.
    """
    task = Task(x)
    channels = _checks.channels(task.x, layout)
    weight, bias = task.parameters(weight, bias, (channels,))
    eps = _checks.epsilon(eps)
    if training:
        momentum = _checks.finite("momentum", momentum)
        running_mean, running_var = _running(running_mean, running_var, task.dtype, channels)
        _checks.batch_size(task.x, channels)
    else:
        running_mean = _checks.inference("running_mean", running_mean, task.dtype, channels)
        running_var = _checks.inference("running_var", running_var, task.dtype, channels)
    task.check_out(out, weight, bias, running_mean, running_var)
    task.look(_plan.batch_view, layout)
    if not training:
        y = task.affine(weight, bias, running_mean, running_var, eps, out)
        return y, running_mean, running_var
    y, mean, var = task.normalize(weight, bias, eps, out)
    if task.x.size and (running_mean is not None or running_var is not None):
        count = task.x.size // channels
        _stats.update(running_mean, running_var, tracked, mean, var, count, momentum)
    elif tracked is not None:
        tracked += 1
    return y, mean, var


def _running(
    running_mean: Any, running_var: Any, dtype: np.dtype[Any], channels: int
) -> tuple[Array | None, Array | None]:
    """Return running arrays that are to be updated, checked."""
    if running_mean is not None:
        running_mean = _checks.running("running_mean", running_mean, dtype, channels)
    if running_var is not None:
        running_var = _checks.running("running_var", running_var, dtype, channels)
    return running_mean, running_var


def batch_backward(
    dy: Any, x: Any, mean: Any, rstd: Any, weight: Any, training: Any, layout: str, out: Any
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias."""
    task = Task(x)
    channels = _checks.channels(task.x, layout)
    weight, _ = task.parameters(weight, None, (channels,))
    task.look(_plan.batch_view, layout)
    return task.backward(dy, mean, rstd, (channels,), weight, training, out)


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
    channels = _checks.channels(task.x, layout)
    weight, bias = task.parameters(weight, bias, (channels,))
    eps, momentum = _checks.epsilon(eps), _checks.finite("momentum", momentum)
    running_mean, running_var = _running(running_mean, running_var, task.dtype, channels)
    _checks.spatial_size(task.x, layout)
    task.check_out(out, weight, bias, running_mean, running_var)
    task.look(_plan.instance_view, layout)
    y, mean, var = task.normalize(weight, bias, eps, out)
    shape = task.x.shape[0], channels
    mean, var = mean.reshape(shape), var.reshape(shape)
    if task.x.size and (running_mean is not None or running_var is not None):
        count = task.x.size // mean.size
        _stats.update(running_mean, running_var, None, mean, var, count, momentum)
    return y, mean, var


def instance_backward(
    dy: Any, x: Any, mean: Any, rstd: Any, weight: Any, use_input_stats: Any, layout: str, out: Any
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias."""
    task = Task(x)
    channels = _checks.channels(task.x, layout)
    weight, _ = task.parameters(weight, None, (channels,))
    task.look(_plan.instance_view, layout)
    shape = task.x.shape[0], channels
    return task.backward(dy, mean, rstd, shape, weight, use_input_stats, out)


def group_forward(
    x: Any, num_groups: Any, weight: Any, bias: Any, eps: Any, layout: str, out: Any
) -> tuple[Array, Array, Array]:
    """Return y and the means and variances, (N, num_groups), float64."""
    task = Task(x)
    channels = _checks.channels(task.x, layout)
    groups = _checks.groups(num_groups, channels)
    weight, bias = task.parameters(weight, bias, (channels,))
    eps = _checks.epsilon(eps)
    _checks.group_size(task.x, groups)
    task.check_out(out, weight, bias)
    task.look(_plan.group_view, layout, groups)
    y, mean, var = task.normalize(weight, bias, eps, out)
    shape = task.x.shape[0], groups
    return y, mean.reshape(shape), var.reshape(shape)


def group_backward(
    dy: Any, x: Any, mean: Any, rstd: Any, num_groups: Any, weight: Any, layout: str, out: Any
) -> tuple[Array, Array, Array]:
    """Return the gradients of x, weight and bias."""
    task = Task(x)
    channels = _checks.channels(task.x, layout)
    groups = _checks.groups(num_groups, channels)
    weight, _ = task.parameters(weight, None, (channels,))
    task.look(_plan.group_view, layout, groups)
    return task.backward(dy, mean, rstd, (task.x.shape[0], groups), weight, True, out)


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
    shape = _checks.normalized_shape(normalized_shape, task.x)
    weight, bias = task.parameters(weight, bias, shape)
    eps = machine_epsilon(task.dtype) if eps is None else _checks.epsilon(eps)
    task.check_out(out, weight, bias)
    task.look_rows(math.prod(shape))
    y, mean, var = task.normalize(weight, bias, eps, out, centred)
    stats = _row_stats(task.x.shape, shape)
    if task.x.size == 0:
        mean, var = np.full((2, *stats), np.nan)
    return y, mean.reshape(stats), var.reshape(stats)


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
    shape = _checks.normalized_shape(normalized_shape, task.x)
    weight, _ = task.parameters(weight, None, shape)
    task.look_rows(math.prod(shape))
    stats = _row_stats(task.x.shape, shape)
    dx, dweight, dbias = task.backward(dy, mean, rstd, stats, weight, True, out, centred)
    if task.x.size == 0:
        return dx, np.zeros(shape, task.dtype), np.zeros(shape, task.dtype)
    return dx, dweight.reshape(shape), dbias.reshape(shape)


def _row_stats(shape: tuple[int, ...], normalized: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of the statistics of rows."""
    return shape[: len(shape) - len(normalized)] + (1,) * len(normalized)


def moments(x: Any, layout: str, correction: Any) -> tuple[Array, Array]:
    """Return the mean and variance of each channel."""
    task = Task(x)
    channels = _checks.channels(task.x, layout)
    count = task.x.size // channels if channels else 0
    correction = _checks.correction(correction, count)
    if task.x.size == 0:
        mean, var = np.full((2, channels), np.nan)
    else:
        task.look(_plan.batch_view, layout)
        mean, var = _run.moments(task.memory, task.view)
        if correction:
            var *= count / (count - correction)
    return _run.converted(mean, task.dtype), _run.converted(var, task.dtype)


def standardize(x: Any, mean: Any, std: Any, layout: str, out: Any) -> Array:
    """Return (x - mean) / std."""
    task = Task(x)
    channels = _checks.channels(task.x, layout)
    mean = _checks.numbers("mean", mean, channels)
    std = _checks.numbers("std", std, channels)
    task.check_out(out, mean, std)
    task.look(_plan.batch_view, layout)
    weight, var = _run.divisors(std, task.dtype)
    return task.affine(weight, None, mean, var, 0.0, out)
