"""What the tasks of `numbanorm.dask` do with NumPy chunks; they are imported by workers, by name.

Dask works on as many chunks at once as there are processors, so that each has one thread here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import functional
from numbanorm.calls import checks, summaries
from numbanorm.moments import Moments

if TYPE_CHECKING:
    from numbanorm._types import Array


def block_moments(x: Array, layout: str) -> Array:
    """Return the moments of a chunk, in an array of x's rank with this one element."""
    with functional.num_threads(1):
        return _held([Moments.of(x, layout=layout)], (1,) * x.ndim)


def merged_moments(found: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Merge an array of moments over all axes but that of channels, in the order of C."""
    (kept,) = set(range(found.ndim)) - set(axis)
    count = found.shape[kept]
    # Dask asks about an array without elements, too.
    rows = np.moveaxis(found, kept, 0).reshape(count, found.size // max(1, count))
    shape = [1] * found.ndim if keepdims else [1]
    shape[kept if keepdims else 0] = count
    return _held([Moments.merged(row) for row in rows], tuple(shape))


def _held(moments: list[Moments], shape: tuple[int, ...]) -> Array:
    """Return an array of moments."""
    array = np.empty(len(moments), object)
    array[:] = moments
    return array.reshape(shape)


def joined_moments(found: list[Array]) -> Moments:
    """Return the moments of all channels from arrays of one each, of some of them."""
    made = Moments()
    made._summary = summaries.joined([one._summary for (one,) in found])
    return made


def mean(found: Array) -> Array:
    """Return the mean of the channels of one moments in an array."""
    (one,) = found
    return one.mean  # type: ignore[no-any-return]


def var(found: Array, correction: float) -> Array:
    """Return the variance of the channels of one moments in an array."""
    (one,) = found
    return one.var(correction)  # type: ignore[no-any-return]


def training_var(found: Array) -> Array:
    """Return the variance that batch norm divides by, of more values than one."""
    (one,) = found
    # The shape of chunks of unknown sizes is seen here first.
    if one.count.size:
        checks.batch_size((int(one.count[0]), one.count.size), one.count.size)
    return one.var()  # type: ignore[no-any-return]


def channel_normalize(x: Array, mean: Array, std: Array, layout: str) -> Array:
    """Normalise a chunk by the means and deviations of its channels."""
    with functional.num_threads(1):
        return functional.channel_normalize(x, mean, std, layout=layout)


def batch_norm(x: Array, mean: Array, var: Array, weight: Any, bias: Any, **keywords: Any) -> Array:
    """Normalise a chunk by the statistics of its channels."""
    with functional.num_threads(1):
        return functional.batch_norm(x, mean, var, weight, bias, **keywords)  # type: ignore[no-any-return]
