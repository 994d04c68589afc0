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
float32 or float64, apart from statistics, which are float64: anything else is refused when Numba
compiles the call. Numba has no arrays of 16-bit floats: pass ``x.view(np.uint16)`` to your
function, and what `float16` or `bfloat16` make of that to the functions here; weights, biases and
their gradients are then float32. What is written may overlap no other argument but those said.
None, or an empty array, stands for no weight, no bias, and for a gradient that is not wanted.

An operation is compiled for x's dtype when code that calls it first is, for some 10 seconds; from
then on numbanorm's cache has it for all of them (`numbanorm.warmup` does it ahead). A function with
``@njit(cache=True)`` is loaded with the operations of the numbanorm that is there then; a callback,
``@cfunc(cache=True)``, loads them at its first call, for which it takes the GIL.

Examples
--------
The rows of an array, normalised within a function of one's own::

    >>> import numba
    >>> import numpy as np
    >>> from numbanorm import jit
    >>> @numba.njit
    ... def rows(x):
    ...     y, mean, var = np.empty_like(x), np.empty(len(x)), np.empty(len(x))
    ...     view = jit.row_view(*x.shape)
    ...     status = jit.normalize(y, x, None, None, mean, var, 1e-5, view)
    ...     return status, y
    >>> rows(np.array([[1.0, 3.0], [20.0, 40.0]]))[1].round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
"""

import math

from numbanorm._status import Status
from numbanorm.kernels import ahead, user_images
from numbanorm.kernels.operations.finishing import move_running
from numbanorm.kernels.threads import launch
from numbanorm.kernels.threads.drivers import public
from numbanorm.kernels.tiles import (
    batch_view,
    group_view,
    instance_view,
    row_view,
    size_of,
    workers_for,
)
from numbanorm.kernels.user_arrays import (
    as_bfloat16,
    as_float16,
    elements,
    fill,
    fits,
    forward_status,
    read,
    read_if_any,
    read_pixels,
    written,
    written_if_any,
    written_integers,
)
from numbanorm.threads import workers

__all__ = [
    "EPS",
    "MEMORY",
    "OK",
    "SCALE",
    "SIZE",
    "affine",
    "backward",
    "batch_view",
    "bfloat16",
    "float16",
    "group_view",
    "instance_view",
    "moments",
    "normalize",
    "normalize_images",
    "num_threads",
    "row_view",
    "update_moments",
    "update_running",
]

OK, SIZE, EPS, MEMORY = map(int, (Status.OK, Status.SIZE, Status.EPS, Status.MEMORY))
SCALE = int(Status.SCALE)

# The threads that help; the first large call from Python would make them, too.
workers.serve_c()


@public
def num_threads():
    """Return how many threads the Python functions take for large arrays.

    Returns
    -------
    int
        As `numbanorm.get_num_threads` outside of any block of `numbanorm.num_threads`, when this
        module was imported or `numbanorm.set_num_threads` called last.
    """
    return launch.threads()


@public
def float16(x):
    """Return an array of 16-bit integers, seen as one of float16, for the functions here.

    Parameters
    ----------
    x : uint16 array, C-contiguous
        The bits, ``x.view(np.uint16)`` of a float16 array.

    Returns
    -------
    array
        The same memory, for compiled code only. It has a size and a shape, and slices of it are
        such arrays; Numba can read and write no element.

    Examples
    --------
    >>> import numba
    >>> import numpy as np
    >>> from numbanorm import jit
    >>> @numba.njit
    ... def halve(bits, mean, var, view):
    ...     x = jit.float16(bits)
    ...     return jit.affine(x, x, None, None, mean, var, 0.0, view)
    >>> x = np.array([[1, 2], [3, 4]], np.float16)
    >>> halve(x.view(np.uint16), np.zeros(2), np.full(2, 4.0), jit.batch_view(True, 2, 2, 1))
    0
    >>> x
    array([[0.5, 1. ],
           [1.5, 2. ]], dtype=float16)
    """
    return as_float16(x)


@public
def bfloat16(x):
    """Return like `float16`, for bfloat16.

    Parameters
    ----------
    x : uint16 array, C-contiguous
        The bits.

    Returns
    -------
    array
        The same memory.
    """
    return as_bfloat16(x)


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
def update_moments(count, sums, values, x, view, threads=1):
    """Take the values of an array in, as `numbanorm.Moments.update` does.

    Parameters
    ----------
    count : int64 array of 2 values
        How many values each statistic has: integers, and floats. Changed, as the next two, which
        need no value as long as both are 0; ``Moments.from_arrays`` makes moments of the three.
    sums : int64 array of 4 * group values
        Of integers: the sums of values, high parts (times 2**32) and low ones; and of squares.
    values : float64 array of 5 * group values
        Of floats the means, what these lack, and the sums of squared deviations; of all the least
        and the greatest values.
    x : array of the view's size, uint8, uint16, int16 or of floats
    view : tuple of five int
        Of one batch: `batch_view`.
    threads : int

    Returns
    -------
    int
        `OK`, `SIZE` (or the count would be more than an int64 holds) or `MEMORY`; but for `OK`
        nothing has changed.

    Examples
    --------
    >>> import numba
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> from numbanorm import jit
    >>> @numba.njit
    ... def take(state, images):
    ...     count, sums, values = state
    ...     for i in range(len(images)):
    ...         view = jit.batch_view(False, 1, 3, images[i].size // 3)
    ...         jit.update_moments(count, sums, values, images[i], view)
    >>> state = nbn.Moments().arrays(channels=3)
    >>> images = np.arange(48, dtype=np.uint8).reshape(2, 2, 4, 3)
    >>> take(state, images)
    >>> nbn.Moments.from_arrays(*state).mean
    array([22.5, 23.5, 24.5])
    """
    groups = view[2]
    sizes = view[0] == 1 and count.size == 2 and sums.size == 4 * groups
    if not sizes or values.size != 5 * groups or view[3] != 1 or x.size != size_of(view):
        return SIZE
    if x.size == 0:
        return OK
    args = read_pixels(x), written_integers(count), written_integers(sums), written(values, 0.0)
    return ahead.call_update_moments(view, args, workers_for(x.size, threads))


@public
def normalize_images(y, x, mean, std, max_value, threads=1):
    """Write (x / max_value - mean) / std, for each channel of images, the last axis.

    Parameters
    ----------
    y : float array of shape (N, H, W, C)
        Written. Planes are ``y.transpose(0, 2, 3, 1)`` of an array of shape (N, C, H, W); in some
        order the channels, or the pixels of a row, follow one another in memory.
    x : array of shape (N, H, W, C), uint8, uint16, int16 or of floats
        Of any strides: ``x[:, :, ::-1]`` is mirrored, ``x[..., ::-1]`` has its channels reversed.
    mean, std : float64 arrays of C values, or of N * C
    max_value : float
        What stands for 1 in x.
    threads : int

    Returns
    -------
    int
        `OK`, `SIZE` (or y's strides are not as said, or some not of whole elements), `SCALE` (mean,
        std or max_value is not finite, or std or max_value is 0) or `MEMORY`.

    Examples
    --------
    >>> import numba
    >>> import numpy as np
    >>> from numbanorm import jit
    >>> @numba.njit
    ... def to_planes(y, x, mean, std):
    ...     return jit.normalize_images(y.transpose(0, 2, 3, 1), x, mean, std, 255.0)
    >>> y = np.empty((1, 2, 1, 3), np.float32)
    >>> x = np.array([[[[0, 255], [51, 0], [255, 0]]]], np.uint8)
    >>> to_planes(y, x, np.array([0.0, 0.5]), np.array([1.0, 0.5]))
    0
    >>> y[0, :, 0]
    array([[ 0. ,  0.2,  1. ],
           [ 1. , -1. , -1. ]], dtype=float32)
    """
    return user_images.normalize(y, x, mean, std, max_value, threads)


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
