"""Images to be normalised, and moments of data that comes in parts; see `numbanorm.jit`."""

from numbanorm._status import Status
from numbanorm.kernels import ahead, user_images
from numbanorm.kernels.threads.drivers import public
from numbanorm.kernels.tiles import size_of, workers_for
from numbanorm.kernels.user_arrays import read_pixels, written, written_integers

OK, SIZE = int(Status.OK), int(Status.SIZE)


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
