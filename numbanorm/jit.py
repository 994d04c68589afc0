"""The operations behind all norms, to be called from your own ``@njit`` functions.

A norm is a *view*: C-contiguous memory of shape ``(batch, outer, group, width, run)``, whose
statistics reduce outer, width and run, and whose weight and bias have shape (group, width).
`batch_view`, `instance_view`, `group_view` and `row_view` return it for the norms of that name.

The functions that work on arrays return a status, for one that raises would take down a ``prange``
that it is called in: `OK`, or `SIZE` (an array has another size than the view says), `EPS` (eps is
negative or not finite) or `MEMORY` (there is none to work in). Nothing is written but for `OK`, and
for `MEMORY`, which leaves results undefined.

`threads` is how many threads may work: 1, as in a ``prange`` of your own, unless given;
`num_threads` is what the Python functions take. The results are theirs, to the last bit, for any
number.

Arrays are C-contiguous and of the view's sizes, in whatever shape; all of one call have x's dtype,
float32 or float64, apart from statistics, which are float64. An empty array,
``np.empty(0, x.dtype)``, stands for no weight, no bias, and for a gradient that is not wanted.

With ``@njit(cache=True)`` Numba keeps your function with all that it calls, and does not look
whether these have changed since: after an update of numbanorm, touch your file.

Examples
--------
The rows of an array, normalised within a function of one's own::

    >>> import numba
    >>> import numpy as np
    >>> from numbanorm import jit
    >>> @numba.njit
    ... def rows(x):
    ...     y, none = np.empty_like(x), np.empty(0, x.dtype)
    ...     mean, var = np.empty(len(x)), np.empty(len(x))
    ...     view = jit.row_view(*x.shape)
    ...     status = jit.normalize(y, x, none, none, mean, var, 1e-5, view)
    ...     return status, y
    >>> rows(np.array([[1.0, 3.0], [20.0, 40.0]]))[1].round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
"""

import math

from numbanorm import _threads
from numbanorm._plan import (
    batch_view,
    group_view,
    instance_view,
    row_view,
    size_of,
    workers_for,
)
from numbanorm._status import Status
from numbanorm.kernels import launch, routes
from numbanorm.kernels.finishing import move_running
from numbanorm.kernels.options import inlined, leaf
from numbanorm.kernels.pointers import optional, pointer

__all__ = [
    "EPS",
    "MEMORY",
    "OK",
    "SIZE",
    "affine",
    "backward",
    "batch_view",
    "group_view",
    "instance_view",
    "moments",
    "normalize",
    "num_threads",
    "row_view",
    "update_running",
]

OK, SIZE, EPS, MEMORY = map(int, (Status.OK, Status.SIZE, Status.EPS, Status.MEMORY))

# The threads that help; the first large call from Python would make them, too.
_threads.serve_c()


@inlined
def num_threads():
    """Return how many threads the Python functions take for large arrays.

    Returns
    -------
    int
        As `numbanorm.get_num_threads`.
    """
    return launch.threads()


@inlined
def _sizes(view, mean, var, weight, bias):
    """Return whether statistics and parameters have the sizes of a view."""
    found, slots = view[0] * view[2], view[2] * view[3]
    given = (weight.size == slots or weight.size == 0) and (bias.size == slots or bias.size == 0)
    return given and mean.size == found and var.size == found


@leaf
def moments(x, mean, var, view, threads=1):
    """Write the mean and biased variance of each statistic.

    Parameters
    ----------
    x : array of the view's size
    mean, var : float64 arrays of batch * group values
        Written. NaN where there is no value.
    view : tuple of five int
    threads : int

    Returns
    -------
    int
        `OK`, `SIZE` or `MEMORY`.
    """
    size = size_of(view)
    if x.size != size or mean.size != view[0] * view[2] or var.size != mean.size:
        return SIZE
    if size == 0:
        mean.fill(math.nan)
        var.fill(math.nan)
        return OK
    args = pointer(x), pointer(mean), pointer(var)
    return routes.moments(view, args, workers_for(size, threads))


@leaf
def affine(y, x, weight, bias, mean, var, eps, view, threads=1):
    """Write (x - mean) / sqrt(var + eps) * weight + bias.

    Parameters
    ----------
    y, x : arrays of the view's size
        y is written, and may be x.
    weight, bias : arrays of group * width values, or empty
    mean, var : float64 arrays of batch * group values
    eps : float
    view : tuple of five int
    threads : int

    Returns
    -------
    int
        `OK`, `SIZE`, `EPS` or `MEMORY`.
    """
    size = size_of(view)
    if y.size != size or x.size != size or not _sizes(view, mean, var, weight, bias):
        return SIZE
    if not 0.0 <= eps < math.inf:
        return EPS
    if size == 0:
        return OK
    parameters = optional(weight), optional(bias)
    args = pointer(y), pointer(x), *parameters, pointer(mean), pointer(var), eps, False
    return routes.affine(view, args, workers_for(size, threads))


@leaf
def normalize(y, x, weight, bias, mean, var, eps, view, threads=1, centred=True):
    """Do what `moments` and `affine` do, in fewer passes over memory.

    Parameters
    ----------
    y, x : arrays of the view's size
        y is written, and may be x.
    weight, bias : arrays of group * width values, or empty
    mean, var : float64 arrays of batch * group values
        Written.
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
    size = size_of(view)
    if y.size != size or x.size != size or not _sizes(view, mean, var, weight, bias):
        return SIZE
    if not 0.0 <= eps < math.inf:
        return EPS
    if size == 0:
        mean.fill(math.nan)
        var.fill(math.nan)
        return OK
    parameters, found = (optional(weight), optional(bias)), (pointer(mean), pointer(var))
    args = pointer(y), pointer(x), *parameters, *found, eps, centred
    return routes.normalize(view, args, workers_for(size, threads))


@leaf
def backward(
    dx, dweight, dbias, dy, x, weight, mean, rstd, view, threads=1, training=True, centred=True
):
    """Write the gradients of x, weight and bias.

    Parameters
    ----------
    dx : array of the view's size
        Written; may be dy or x.
    dweight, dbias : arrays of group * width values, or empty
        Written.
    dy, x : arrays of the view's size
    weight : array of group * width values, or empty
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
    size = size_of(view)
    if dx.size != size or dy.size != size or x.size != size:
        return SIZE
    if not _sizes(view, mean, rstd, weight, dbias) or not _sizes(view, mean, rstd, dweight, dbias):
        return SIZE
    if size == 0:
        dweight.fill(0.0)
        dbias.fill(0.0)
        return OK
    written = pointer(dx), optional(dweight), optional(dbias)
    read = pointer(dy), pointer(x), optional(weight), pointer(mean), pointer(rstd)
    args = *written, *read, training, centred
    return routes.backward(view, args, workers_for(size, threads))


@leaf
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
    running = pointer(running_mean), pointer(running_var)
    found = pointer(mean), pointer(var)
    if size_of(view) > 0:
        move_running(*running, *found, group, batch, outer * width * run, momentum)
    return OK
