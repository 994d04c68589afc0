"""Threads, and arrays of 16-bit floats; see `numbanorm.jit`."""

from numbanorm.kernels.threads import launch
from numbanorm.kernels.threads.drivers import public
from numbanorm.kernels.user_arrays import as_bfloat16, as_float16


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
