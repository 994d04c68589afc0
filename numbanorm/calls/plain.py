"""Whether arrays are as kernels take them, which almost every call's are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from numbanorm.calls import memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Arrays, of which any may be None, and the dtype and shape that they are to have.
Group = tuple[tuple[Any, ...], np.dtype[Any], tuple[int, ...]]


def is_plain(x: NDArray[Any], out: Any, groups: tuple[Group, ...], source: Any = None) -> bool:
    """Return whether kernels can take x, `out` and all others as is.

    Those are in C order, writeable, of the dtype and shape wanted, with memory of their own, all
    but x perhaps None; `out` may be x or the `source`, of x's shape and dtype too. There is nothing
    left to check about them then, and it takes a microsecond to tell.
    """
    if not x.flags.c_contiguous:
        return False
    mine, other = (_owner(out), _owner(x)) if type(out) is ndarray else (None, None)
    apart = mine is not None and (out is x or (other is not None and other is not mine))
    for arrays, dtype, shape in groups:
        for array in arrays:
            if array is None:
                continue
            # NumPy has one object for a dtype in native order, but for those with metadata.
            if type(array) is not ndarray or array.dtype is not dtype or array.shape != shape:
                return False
            flags = array.flags
            if not flags.carray or (array is out and array is not source):
                return False
            if apart and array is not out:
                # What `_owner` does, without the call.
                base = array.base
                if base is None:
                    apart = array is not mine and flags.owndata
                else:
                    apart = base is not mine and type(base) is ndarray and base.flags.owndata
    if out is None:
        return True
    if type(out) is not ndarray or out.dtype is not x.dtype or out.shape != x.shape:
        return False
    if not out.flags.carray:
        return False
    if apart:
        return True
    others = x, *(array for arrays, _, _ in groups for array in arrays)
    return not memory.overlapping(out, tuple(a for a in others if a is not out))


def _owner(array: NDArray[Any]) -> Any:
    """Return the array that owns an array's memory, or None where that is not known.

    Two owners have two memories.
    """
    owner = array if array.base is None else array.base
    return owner if type(owner) is ndarray and owner.flags.owndata else None
