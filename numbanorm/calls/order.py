"""In which order of axes an array lies in memory, and where a result goes so that it does too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.plan.plan import Plan
    from numbanorm.plan.view import View

Axes = tuple[int, ...] | None


def arrange(x: NDArray[Any], plan: Plan) -> tuple[NDArray[Any], Axes, View]:
    """Return x's elements as a 1-d array, their order, and what they are to a kernel.

    The order is the plan's `axes`, or None for that of x's axes: that of memory where it is one of
    the two; any other x is copied into its own.
    """
    axes = plan.axes
    if axes is not None and not x.flags.c_contiguous:
        permuted = x.transpose(axes)
        if permuted.flags.c_contiguous:
            return permuted.ravel(), axes, plan.swapped
    return np.ascontiguousarray(x).ravel(), None, plan.view


def in_order(array: NDArray[Any], axes: Axes) -> NDArray[Any]:
    """Return an array's elements in this order of axes, in 1-d, by a copy if need be."""
    memory = _flat(array, axes)
    if memory is not None:
        return memory
    return np.ascontiguousarray(array if axes is None else array.transpose(axes)).ravel()


def place(
    out: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any], axes: Axes
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return where a result goes, as an array of this shape and as its memory in 1-d.

    That is `out` if its memory has this order of axes, else a new array: see `settle`.
    """
    if out is not None:
        memory = _flat(out, axes)
        if memory is not None:
            return out, memory
    if axes is None:
        y = np.empty(shape, dtype)
        return y, y.ravel()
    y = np.empty([shape[axis] for axis in axes], dtype)
    return y.transpose(np.argsort(axes)), y.ravel()


def settle(out: NDArray[Any] | None, y: NDArray[Any]) -> NDArray[Any]:
    """Return out, holding y, which is out itself or was computed beside it; y without an out."""
    if out is None or out is y:
        return y
    np.asarray(out)[...] = y
    return out


def _flat(array: NDArray[Any], axes: Axes) -> NDArray[Any] | None:
    """Return the memory of the array, its axes so permuted, as a 1-d view, if it is in C order.

    None if it is not, or not in native byte order, misaligned or read-only.
    """
    if axes is not None:
        array = array.transpose(axes)
    return array.ravel() if array.flags.carray and array.dtype.isnative else None
