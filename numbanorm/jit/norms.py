"""Statistics, normalising and gradients of views; see `numbanorm.jit`."""

import math

from numbanorm._status import Status
from numbanorm.kernels import ahead
from numbanorm.kernels.operations.finishing import move_running
from numbanorm.kernels.threads.drivers import public
from numbanorm.kernels.tiles import size_of, workers_for
from numbanorm.kernels.user_arrays import (
    elements,
    fill,
    fits,
    forward_status,
    read,
    read_if_any,
    written,
    written_if_any,
)

OK, SIZE = int(Status.OK), int(Status.SIZE)


@public
def moments(x, mean, var, view, threads=1):
    """Write the mean and biased variance of each statistic.

    Parameters
    ----------
    x : array of the view's size
    mean, var : float64 arrays of batch * group values
        Written. NaN where there is no value. A variance that float64 can't hold is inf;
        `normalize` does not need it.
    view : tuple of five int
    threads : int

    Returns
    -------
    int
        `OK`, `SIZE` or `MEMORY`.
    """
    if not fits(view, x, mean, var, None, None):
        return SIZE
    args = read(x, x), written(mean, 0.0), written(var, 0.0)
    if x.size == 0:
        fill(args[1], mean.size, math.nan)
        fill(args[2], var.size, math.nan)
        return OK
    return ahead.call_moments(view, args, workers_for(x.size, threads))


@public
def affine(y, x, weight, bias, mean, var, eps, view, threads=1):
    """Write (x - mean) / sqrt(var + eps) * weight + bias.

    Parameters
    ----------
    y, x : arrays of the view's size
        y is written, and may be x.
    weight, bias : arrays of group * width values, or None
    mean, var : float64 arrays of batch * group values
    eps : float
    view : tuple of five int
    threads : int

    Returns
    -------
    int
        `OK`, `SIZE`, `EPS` or `MEMORY`.
    """
    status = forward_status(view, y, x, mean, var, weight, bias, eps)
    if status != OK or x.size == 0:
        return status
    parameters = read_if_any(weight, x), read_if_any(bias, x)
    found = read(mean, 0.0), read(var, 0.0)
    args = written(y, x), read(x, x), *parameters, *found, eps, False
    return ahead.call_affine(view, args, workers_for(x.size, threads))


@public
def normalize(y, x, weight, bias, mean, var, eps, view, threads=1, centred=True):
    """Do what `moments` and `affine` do, in fewer passes over memory.

    Parameters
    ----------
    y, x : arrays of the view's size
        y is written, and may be x.
    weight, bias : arrays of group * width values, or None
    mean, var : float64 arrays of batch * group values
        Written. NaN where there is no value. A variance that float64 can't hold is inf;
        `normalize` does not need it.
    eps : float
    view : tuple of five int
    threads : int
    centred : bool
        False divides by the root of the mean square and subtracts no mean (RMS norm, rows only):
        `mean` is then 0 and `var` the mean square.

    Returns
    -------
    int
        `OK`, `SIZE`, `EPS` or `MEMORY`.
    """
    status = forward_status(view, y, x, mean, var, weight, bias, eps)
    if status != OK:
        return status
    parameters = read_if_any(weight, x), read_if_any(bias, x)
    found = written(mean, 0.0), written(var, 0.0)
    args = written(y, x), read(x, x), *parameters, *found, eps, centred
    if x.size == 0:
        fill(args[4], mean.size, math.nan)
        fill(args[5], var.size, math.nan)
        return OK
    return ahead.call_normalize(view, args, workers_for(x.size, threads))


@public
def backward(
    dx, dweight, dbias, dy, x, weight, mean, rstd, view, threads=1, training=True, centred=True
):
    """Write the gradients of x, weight and bias.

    Parameters
    ----------
    dx : array of the view's size
        Written; may be dy or x.
    dweight, dbias : arrays of group * width values, or None
        Written.
    dy, x : arrays of the view's size
    weight : array of group * width values, or None
    mean, rstd : float64 arrays of batch * group values
        The forward pass's, rstd being 1 / sqrt(var + eps).
    view : tuple of five int
    threads : int
    training : bool
        Whether mean and rstd are x's own, rather than running statistics.
    centred : bool
        As of `normalize`.

    Returns
    -------
    int
        `OK`, `SIZE` or `MEMORY`.
    """
    if dx.size != x.size or dy.size != x.size or not fits(view, x, mean, rstd, weight, dbias):
        return SIZE
    if not fits(view, x, mean, rstd, None, dweight):
        return SIZE
    gradients = written_if_any(dweight, x), written_if_any(dbias, x)
    if x.size == 0:
        fill(gradients[0], elements(dweight), 0.0)
        fill(gradients[1], elements(dbias), 0.0)
        return OK
    given = read(dy, x), read(x, x), read_if_any(weight, x), read(mean, 0.0), read(rstd, 0.0)
    args = written(dx, x), *gradients, *given, training, centred
    return ahead.call_backward(view, args, workers_for(x.size, threads))


@public
def update_running(running_mean, running_var, mean, var, momentum, view):
    """Set running statistics to (1 - momentum) * running + momentum * batch.

    Parameters
    ----------
    running_mean, running_var : arrays of group values
        Written.
    mean, var : float64 arrays of batch * group values
        As `moments` finds them: a variance is made unbiased here.
    momentum : float
    view : tuple of five int

    Returns
    -------
    int
        `OK` or `SIZE`.
    """
    batch, outer, group, width, run = view
    if running_mean.size != group or running_var.size != group:
        return SIZE
    if mean.size != batch * group or var.size != batch * group:
        return SIZE
    running = written(running_mean, running_mean), written(running_var, running_var)
    found = read(mean, 0.0), read(var, 0.0)
    if size_of(view) > 0:
        move_running(*running, *found, group, batch, outer * width * run, momentum)
    return OK
