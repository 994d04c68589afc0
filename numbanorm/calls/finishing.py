"""What statistics are made into, and how arrays are handed to compiled code: see `operations`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numbanorm.calls import checks, lookup

Array = NDArray[Any]

# For each dtype that is computed with, the array that means none to a kernel.
NONE = {dtype: np.empty(0, dtype) for dtype in checks.DTYPES.values()}

# As what arrays of 16-bit floats are handed over; `kernels.simd.sixteen` reads it.
# bfloat16 is of the kind V to NumPy.
_BYTES = {"f": np.dtype(np.int8), "V": np.dtype(np.bool_)}

_FLOAT64 = np.dtype(np.float64)

# Counts what nobody asks for.
_UNCOUNTED = np.zeros((), np.int64)


def handed_over(array: Array) -> Array:
    """Return an array as kernels take it: floats of 16 bits, which Numba has none of, as bytes."""
    kind = _BYTES.get(array.dtype.kind) if array.itemsize == 2 else None
    return array if kind is None else array.view(kind)


def present(parameter: Array | None, like: Array) -> Array:
    """Return the parameter, or for None the empty array that means none to a kernel."""
    return NONE[checks.DTYPES[like.dtype]] if parameter is None else parameter


def flat(a: Array, b: Array) -> tuple[Array, Array]:
    """Return C-contiguous statistics in 1-d, as kernels take them."""
    return (a, b) if a.ndim == b.ndim == 1 else (a.ravel(), b.ravel())


def update_running(
    running_mean: Array | None,
    running_var: Array | None,
    tracked: Array | None,
    mean: Array,
    var: Array,
    count: int,
    momentum: float,
) -> None:
    """Set running arrays, C-contiguous, to (1 - momentum) * running + momentum * batch.

    The batch's statistics are the means over the first axis of `mean` and `var`, if these have two;
    a variance comes biased, of `count` values, and is counted unbiased. One is added to `tracked`;
    a momentum of NaN is that of the average of all that `tracked` then counts.
    """
    given = running_var if running_mean is None else running_mean
    if given is None:
        return
    if running_mean is None or running_var is None:
        running_mean, running_var = present(running_mean, given), present(running_var, given)
    size = given.size
    batch = mean.size // size if size else 0
    counter, found = _UNCOUNTED if tracked is None else tracked, flat(mean, var)
    running_mean, running_var = handed_over(running_mean), handed_over(running_var)
    update = lookup.kernels().finishing.update
    update(running_mean, running_var, counter, *found, size, batch, count, momentum)


def statistics(mean: Array, var: Array, eps: float) -> tuple[Array, Array]:
    """Return means and 1 / sqrt(var + eps), or 0 where that is 1 / 0, as new float64 arrays."""
    means, rstd = np.empty(mean.shape), np.empty(var.shape)
    found = flat(handed_over(mean), handed_over(var))
    lookup.kernels().finishing.statistics(*flat(means, rstd), *found, float(eps))
    return means, rstd


def variances(var: Array, factor: float) -> Array:
    """Turn what kernels take for variances, 1-d, into variances, times a factor; returns them."""
    lookup.kernels().finishing.variances(var, float(factor))
    return var


def widened(values: Array) -> Array:
    """Return values, 1-d, in float64, whatever the calling thread does to subnormal numbers."""
    if values.dtype == _FLOAT64:
        return values
    result = np.empty(values.shape)
    lookup.kernels().finishing.widen(result, handed_over(values))
    return result


def divisors(std: Array, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Return the weight, of this type, and variance by which to divide by a float64 std."""
    weight, var = np.empty(std.size, dtype), np.empty(std.size)
    lookup.kernels().finishing.divide_by(std, weight, var)
    return weight, var
