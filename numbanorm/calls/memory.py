"""What NumPy leaves unsaid about an array's memory: whose it is, and how to hand it to a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Candidates `np.shares_memory` may try before two interleaved arrays count as overlapping.
_MAX_WORK = 100_000


class _Writeable:
    """A read-only array's memory under a writeable flag, for kernels compiled for that flag only.

    They never write to what is passed to them as input. The original lives on in `owner`.
    """

    __slots__ = ("__array_interface__", "owner")

    def __init__(self, array: NDArray[Any]) -> None:
        interface = array.__array_interface__
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface
        self.owner = array


def behaved(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in native byte order, aligned, and flagged writeable, by a copy if need be.

    A copy keeps the order of the axes in memory.
    """
    if not array.dtype.isnative or not array.flags.aligned:
        return array.astype(array.dtype.newbyteorder("="), order="K", copy=True)
    return array if array.flags.writeable else np.asarray(_Writeable(array))


def same_memory(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Return whether two arrays of one shape and item size are the same elements in one order."""
    if a is b:
        return True
    here, there = a.__array_interface__["data"][0], b.__array_interface__["data"][0]
    return here == there and all(
        s == t for s, t, n in zip(a.strides, b.strides, a.shape, strict=True) if n > 1
    )


def overlapping(array: NDArray[Any], others: tuple[NDArray[Any] | None, ...]) -> list[NDArray[Any]]:
    """Return the others that share an element with the array, or might, where that is hard to say.

    None stands for no array; the array itself may be among the others.
    """
    # Two owners of memory have two memories; told so, NumPy need not compare their bounds.
    owner = array.flags.owndata
    return [
        other
        for other in others
        if other is not None
        and (other is array or not (owner and other.flags.owndata))
        and _overlap(array, other)
    ]


def _overlap(a: NDArray[Any], b: NDArray[Any]) -> bool:
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=_MAX_WORK)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


def overlaps_itself(array: NDArray[Any]) -> bool:
    """Return whether two elements may share memory: True too for some interleavings of axes."""
    if array.flags.c_contiguous or array.size == 0:
        return False
    extent = array.itemsize
    for stride, size in sorted((abs(s), n) for s, n in zip(array.strides, array.shape) if n > 1):
        if stride < extent:
            return True
        extent += stride * (size - 1)
    return False


def replace(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> None:
    """Copy the second of each pair into the first: all of them or, if broken off, none."""
    before = [(old, old.copy()) for old, _ in pairs]
    try:
        for old, new in pairs:
            np.copyto(old, new, casting="unsafe")
    except BaseException:
        for old, values in before:
            np.copyto(old, values)
        raise
