"""What becomes of statistics once the kernels have found them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import _checks, _run

if TYPE_CHECKING:
    from numpy.typing import NDArray


def update(
    running_mean: NDArray[Any] | None,
    running_var: NDArray[Any] | None,
    mean: NDArray[Any],
    var: NDArray[Any],
    count: int,
    momentum: float,
) -> None:
    """Move running statistics, of any strides; see `_run.update_running`."""
    new_mean = None if running_mean is None else _plain(running_mean)
    new_var = None if running_var is None else _plain(running_var)
    _run.update_running(new_mean, new_var, mean, var, momentum, count)
    if new_mean is not running_mean and running_mean is not None:
        running_mean[...] = new_mean
    if new_var is not running_var and running_var is not None:
        running_var[...] = new_var


def _plain(running: NDArray[Any]) -> NDArray[Any]:
    """Return the array itself if a kernel can work on it, else a copy."""
    if running.flags.carray and running.dtype.isnative:
        return running
    return running.astype(running.dtype.newbyteorder("="), order="C")


# NaN, Inf and overflow propagate in their own channel without NumPy's warnings.
@np.errstate(all="ignore")
def rounded(statistic: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a copy in the dtype of returned statistics."""
    result: NDArray[Any] = statistic.astype(dtype)
    return result


@np.errstate(all="ignore")
def rstd(var: NDArray[Any], eps: float, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return 1 / sqrt(var + eps), computed in float64; 0 where var + eps is 0, as PyTorch does."""
    root = np.sqrt(np.add(var, eps, dtype=np.float64))
    result = 1.0 / root
    result[root == 0.0] = 0.0
    return rounded(result, dtype)


def returned(
    y: NDArray[Any], mean: NDArray[Any], var: NDArray[Any], eps: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return what `return_stats` adds to y: the means and reciprocal deviations, of its dtype."""
    dtype = _checks.DTYPES[y.dtype.newbyteorder("=")]
    return y, rounded(mean, dtype), rstd(var, eps, dtype)
