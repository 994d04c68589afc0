"""What a layout means for an array: its axes, and where they are in memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import _memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

Axes = tuple[int, ...] | None


def swap(ndim: int, layout: str) -> tuple[int, ...]:
    """Return the permutation of axes that leads from this layout to the other."""
    if layout == "NCHW":
        return (0, *range(2, ndim), 1)
    return (0, ndim - 1, *range(1, ndim - 1))


def arrange(x: NDArray[Any], layout: str) -> tuple[NDArray[Any], bool, Axes]:
    """Return x's memory as a 1-d array, whether channels come first in it, and its axes' order.

    The order is None for x's own; otherwise x so permuted is C-contiguous, as an NCHW-shaped view
    of NHWC memory is. Any other x is copied into its own order.
    """
    if x.flags.c_contiguous:
        return x.ravel(), layout == "NCHW", None
    axes = swap(x.ndim, layout)
    swapped = x.transpose(axes)
    if swapped.flags.c_contiguous:
        return swapped.ravel(), layout != "NCHW", axes
    return np.ascontiguousarray(x).ravel(), layout == "NCHW", None


def in_order(array: NDArray[Any], axes: Axes) -> NDArray[Any]:
    """Return an array's elements in this order of axes, in 1-d, by a copy if need be."""
    memory = _memory.flat(array, axes)
    if memory is not None:
        return memory
    return np.ascontiguousarray(array if axes is None else array.transpose(axes)).ravel()


def sizes(shape: tuple[int, ...], layout: str) -> tuple[int, int, int]:
    """Return the batch size, the number of channels, and how many values a channel of one has."""
    if layout == "NCHW":
        return shape[0], shape[1], math.prod(shape[2:])
    return shape[0], shape[-1], math.prod(shape[1:-1])


def place(
    out: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any], axes: Axes, layout: str
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
    other = "NHWC" if layout == "NCHW" else "NCHW"
    return y.transpose(swap(len(shape), other)), y.ravel()
