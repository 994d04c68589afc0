"""Moving running statistics to a batch's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numbanorm.calls import finishing, memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.calls.call import Call


def update(
    call: Call,
    mean: NDArray[Any],
    var: NDArray[Any],
    momentum: float,
    tracked: NDArray[Any] | None = None,
    count: int | None = None,
) -> None:
    """Move a call's running statistics, of any strides, all or, where that fails, none of them.

    The batch's are of `count` values, those of x if not given; none moves none. One is added to
    `tracked` in any case. See `finishing.update_running`.
    """
    if count is None:
        count = call.plan.values if call.x.size else 0
    if count == 0 or (call.running_mean is None and call.running_var is None):
        if tracked is not None:
            tracked += 1
        return
    running = call.running_mean, call.running_var, tracked
    if (call.plain and tracked is None) or all(map(_is_plain, running)):
        finishing.update_running(*running, mean, var, count, momentum)
        return
    moved = [None if array is None else _plain(array) for array in running]
    finishing.update_running(moved[0], moved[1], moved[2], mean, var, count, momentum)
    memory.replace(
        [(old, new) for old, new in zip(running, moved) if old is not None and new is not None]
    )


def _is_plain(array: NDArray[Any] | None) -> bool:
    """Return whether a kernel can work on the array, if there is one."""
    return array is None or (array.flags.carray and array.dtype.isnative)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy that a kernel can work on."""
    return array.astype(array.dtype.newbyteorder("="), order="C")
