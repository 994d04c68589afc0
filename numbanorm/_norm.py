"""From checked arguments to results: what the public functions and the layers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import _checks, _run, _stats, _view

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return y and the mean and variance it was normalised by; update running arrays in training.

    These are float64 in training, else of x's dtype, and never the running arrays themselves
    unless those are C-contiguous. For an empty x in training they are NaN.
    """
    given, x = x, _checks.data("x", x)
    channels, dtype = _checks.channels(x, layout), _checks.DTYPES[x.dtype]
    if weight is not None:
        weight = _checks.vector("weight", weight, dtype, channels)
    if bias is not None:
        bias = _checks.vector("bias", bias, dtype, channels)
    eps = _checks.epsilon(eps)
    if training:
        momentum = _checks.finite("momentum", momentum)
        if running_mean is not None:
            running_mean = _checks.running("running_mean", running_mean, dtype, channels)
        if running_var is not None:
            running_var = _checks.running("running_var", running_var, dtype, channels)
        _checks.batch_size(x, channels)
    else:
        running_mean = _checks.inference("running_mean", running_mean, dtype, channels)
        running_var = _checks.inference("running_var", running_var, dtype, channels)
    if out is not None:
        _checks.out(out, (_checks.as_array("x", given),), (weight, bias, running_mean, running_var))
    memory, first, axes = _view.arrange(x, layout)
    y, target = _view.place(out, x.shape, x.dtype, axes, layout)
    if x.size == 0:
        mean, var = np.full((2, channels), np.nan) if training else (running_mean, running_var)
    else:
        view = _view.batch_view(x.size, x.shape[0], channels, first)
        if training:
            mean, var = _run.normalize(target, memory, weight, bias, eps, view)
            if running_mean is not None or running_var is not None:
                count = x.size // channels
                _stats.update(running_mean, running_var, mean, var, count, momentum)
        else:
            mean, var = running_mean, running_var
            _run.affine(target, memory, weight, bias, mean, var, eps, view)
    return (y if out is None else settle(out, y)), mean, var


def settle(out: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Return out, holding y, which is out itself or was computed beside it."""
    if y is not out:
        np.asarray(out)[...] = y
    return out


def batch_backward(
    dy: Any,
    x: Any,
    mean: Any,
    rstd: Any,
    weight: Any,
    training: bool,
    layout: str,
    out: Any,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the gradients of x, weight and bias."""
    sources = _checks.as_array("x", x), _checks.as_array("dy", dy)
    x = _checks.data("x", x)
    channels, dtype = _checks.channels(x, layout), _checks.DTYPES[x.dtype]
    dy = _checks.like("dy", dy, x)
    mean, rstd = _checks.statistics(mean, rstd, dtype, channels)
    if weight is not None:
        weight = _checks.vector("weight", weight, dtype, channels)
    if out is not None:
        _checks.out(out, sources, (weight, mean, rstd))
    memory, first, axes = _view.arrange(x, layout)
    dx, target = _view.place(out, x.shape, x.dtype, axes, layout)
    if x.size == 0:
        dweight, dbias = np.zeros((2, channels), dtype)
    else:
        upstream = _view.in_order(dy, axes)
        view = _view.batch_view(x.size, x.shape[0], channels, first)
        dweight, dbias = _run.backward(
            target, upstream, memory, weight, mean, rstd, view, bool(training)
        )
    return (dx if out is None else settle(out, dx)), dweight, dbias


def moments(x: Any, layout: str, correction: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the mean and variance of each channel."""
    x = _checks.data("x", x)
    channels, dtype = _checks.channels(x, layout), _checks.DTYPES[x.dtype]
    count = x.size // channels if channels else 0
    correction = _checks.correction(correction, count)
    if x.size == 0:
        mean, var = np.full((2, channels), np.nan)
    else:
        memory, first, _ = _view.arrange(x, layout)
        mean, var = _run.moments(memory, _view.batch_view(x.size, x.shape[0], channels, first))
        if correction:
            var *= count / (count - correction)
    return _stats.rounded(mean, dtype), _stats.rounded(var, dtype)


def standardize(x: Any, mean: Any, std: Any, layout: str, out: Any) -> NDArray[Any]:
    """Return (x - mean) / std."""
    given, x = x, _checks.data("x", x)
    channels, dtype = _checks.channels(x, layout), _checks.DTYPES[x.dtype]
    mean = _checks.numbers("mean", mean, channels)
    std = _checks.numbers("std", std, channels)
    if out is not None:
        _checks.out(out, (_checks.as_array("x", given),), (mean, std))
    memory, first, axes = _view.arrange(x, layout)
    y, target = _view.place(out, x.shape, x.dtype, axes, layout)
    if x.size:
        view = _view.batch_view(x.size, x.shape[0], channels, first)
        scale, var = _stats.scale_and_square(std, dtype)
        _run.affine(target, memory, scale, None, mean, var, 0.0, view)
    return y if out is None else settle(out, y)
