"""In which order of axes an array lies in memory, and where a result goes so that it does too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import _memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

Axes = tuple[int, ...] | None


def arrange(x: NDArray[Any], axes: Axes) -> tuple[NDArray[Any], Axes]:
    """Return x's elements as a 1-d array, and their order: `axes`, or None for that of x's axes.

    It is the order in memory where that is one of the two; any other x is copied into its own.
    """
    if axes is not None and not x.flags.c_contiguous:
        permuted = x.transpose(axes)
        if permuted.flags.c_contiguous:
            return permuted.ravel(), axes
    return np.ascontiguousarray(x).ravel(), None


def in_order(array: NDArray[Any], axes: Axes) -> NDArray[Any]:
    """Return an array's elements in this order of axes, in 1-d, by a copy if need be."""
    memory = _memory.flat(array, axes)
    if memory is not None:
        return memory
    return np.ascontiguousarray(array if axes is None else array.transpose(axes)).ravel()


def place(
    out: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any], axes: Axes
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return where a result goes, as an array of this shape and as its memory in 1-d.

    That is `out` if its memory has this order of axes, else a new array.
    """
    if out is not None:
        memory = _memory.flat(out, axes)
        if memory is not None:
            return out, memory
    if axes is None:
        y = np.empty(shape, dtype)
        return y, y.ravel()
    y = np.empty([shape[axis] for axis in axes], dtype)
    return y.transpose(np.argsort(axes)), y.ravel()
