"""What becomes of statistics once the kernels have found them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numbanorm import _memory, _run

if TYPE_CHECKING:
    from numpy.typing import NDArray


def update(
    running_mean: NDArray[Any] | None,
    running_var: NDArray[Any] | None,
    tracked: NDArray[Any] | None,
    mean: NDArray[Any],
    var: NDArray[Any],
    count: int,
    momentum: float,
    plain: bool,
) -> None:
    """Move running statistics, of any strides, all or, where that fails, none of them.

    If `plain`, a kernel is known to be able to work on them. See `_run.update_running`.
    """
    running = running_mean, running_var, tracked
    if plain or all(map(_is_plain, running)):
        _run.update_running(running_mean, running_var, tracked, mean, var, count, momentum)
        return
    moved = [None if array is None else _plain(array) for array in running]
    _run.update_running(moved[0], moved[1], moved[2], mean, var, count, momentum)
    _memory.replace(
        [(old, new) for old, new in zip(running, moved) if old is not None and new is not None]
    )


def _is_plain(array: NDArray[Any] | None) -> bool:
    """Return whether a kernel can work on the array, if there is one."""
    return array is None or (array.flags.carray and array.dtype.isnative)


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy that a kernel can work on."""
    return array.astype(array.dtype.newbyteorder("="), order="C")


def returned(
    y: NDArray[Any], mean: NDArray[Any], var: NDArray[Any], eps: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return what `return_stats` adds to y: the means and reciprocal deviations, float64."""
    return y, *_run.statistics(mean, var, eps)
