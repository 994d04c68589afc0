"""Lazy arrays of `numbanorm.dask`: checked, and made of tasks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks
from numbanorm.dask import tasks

try:
    import dask.array as da
    from dask.delayed import Delayed
except ImportError as error:
    raise ImportError(
        f"numbanorm.dask needs Dask (pip install 'numbanorm[dask]'): {error}"
    ) from error

if TYPE_CHECKING:
    from numbanorm._types import Array

_OBJECT = np.dtype(object)

# How many moments a task merges along each axis of chunks: few levels, and little for one worker
# to fetch from others.
_MERGED = 8


def axis_of(x: Any, layout: Any, check: Callable[[str, Any], Array]) -> int:
    """Return x's axis of channels; refuse what a NumPy function would refuse, and what is not lazy.

    `check` is asked about x's like without elements.
    """
    if not isinstance(x, da.Array):
        remedy = ": pass x.data" if isinstance(getattr(x, "data", None), da.Array) else ""
        raise TypeError(f"x must be a Dask array, got {type(x).__name__}{remedy}")
    check("x", x._meta)
    channels = checks.channels(x.shape, checks.layout(layout))
    axis = 1 if layout == "NCHW" else x.ndim - 1
    if math.isnan(channels):
        raise ValueError(
            f"x must have known sizes of chunks of channels, got {x.chunks[axis]}: "
            f"call x.compute_chunk_sizes()"
        )
    return axis


def moments(x: da.Array, layout: str, axis: int) -> da.Array:
    """Return the moments of each chunk of channels, an array of objects in chunks of one.

    As arrays that hold moments, one for each chunk of x, they are reduced by Dask like any other:
    no graph is built here, in words that change from one version of Dask to the next, and Dask
    fuses the first step with what makes x.
    """
    index, nothing = tuple(range(x.ndim)), np.empty((0,) * x.ndim, _OBJECT)
    blocks = da.blockwise(
        tasks.block_moments, index, x, index, layout=layout,
        adjust_chunks=dict.fromkeys(index, 1), dtype=_OBJECT, meta=nothing, align_arrays=False,
    )  # fmt: skip
    others = tuple(i for i in index if i != axis)
    return da.reduction(
        blocks, tasks.merged_moments, tasks.merged_moments, axis=others, dtype=_OBJECT,
        split_every=dict.fromkeys(others, _MERGED), meta=np.empty(0, _OBJECT),
    )  # fmt: skip


def joined(found: da.Array) -> Delayed:
    """Return the moments of all channels."""
    # The graph is not optimised yet: tasks would have names of their own then, and what is computed
    # together with the moments would read x again.
    whole = da.blockwise(
        tasks.joined_moments, (), found, (0,), dtype=_OBJECT, meta=np.empty((), _OBJECT)
    )
    return Delayed((whole.name,), whole.__dask_graph__(), layer=whole.name)


def of_moments(
    task: Callable[..., Array], found: da.Array, x: da.Array, axis: int, **keywords: Any
) -> da.Array:
    """Return what a task makes of moments, for each channel."""
    return da.blockwise(
        task, "c", found, "c", **keywords,
        adjust_chunks={"c": x.chunks[axis]}, dtype=np.float64, meta=np.empty(0),
    )  # fmt: skip


def parameter(
    name: str, value: Any, x: da.Array, axis: int, check: Callable[[str, Any], Array]
) -> da.Array:
    """Return what there is of each channel as a lazy array in chunks as x's."""
    chunks = (x.chunks[axis],)
    if not isinstance(value, da.Array):
        return da.from_array(check(name, value), chunks=chunks)
    if value.shape != (x.shape[axis],):
        raise ValueError(f"{name} must have shape ({x.shape[axis]},), got {value.shape}")
    check(name, np.zeros(value.shape, value.dtype))
    return value.rechunk(chunks)


def like(
    x: da.Array,
    axis: int,
    task: Callable[..., Array],
    parameters: list[da.Array | None],
    **keywords: Any,
) -> da.Array:
    """Return what a task makes of x's chunks and their channels' parameters, chunk by chunk."""
    dtype = np.dtype(np.float32) if x.dtype in checks.INTEGERS else x.dtype.newbyteorder("=")
    index = tuple(range(x.ndim))
    pairs = [(value, None if value is None else (axis,)) for value in parameters]
    return da.blockwise(
        task, index, x, index, *(one for pair in pairs for one in pair), **keywords,
        dtype=dtype, meta=np.empty((0,) * x.ndim, dtype), align_arrays=False,
    )  # fmt: skip
