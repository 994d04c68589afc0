"""Statistics of channels and batch norm of Dask arrays, lazily, chunked along any axes.

Needs Dask: ``pip install 'numbanorm[dask]'``. Nothing here is imported by ``import numbanorm``.

A chunk of x is read once for the statistics: a task makes of it a small `numbanorm.Moments`, and
these are merged in a tree whose shape depends on the number of chunks alone. So results have the
same bits for any scheduler and any number of workers; of integers for any chunks too.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from numbanorm.calls import checks
from numbanorm.dask import lazy, tasks

if TYPE_CHECKING:
    import dask.array as da
    from dask.delayed import Delayed
    from numpy.typing import ArrayLike

    from numbanorm._types import Layout

__all__ = ["batch_norm", "channel_mean_var", "channel_normalize", "moments"]


def moments(x: da.Array, *, layout: Layout = "NCHW") -> Delayed:
    """Return the moments of a Dask array, lazily.

    Parameters
    ----------
    x : dask.array.Array, shape (N, C, ...) or (N, ..., C), uint8, uint16, int16 or of floats
        Data of rank 2 or more, chunked along any axes. Sizes of chunks may be unknown, but for
        those of channels.
    layout : {'NCHW', 'NHWC'}
        Whether the channels are axis 1 or the last axis.

    Returns
    -------
    dask.delayed.Delayed
        It computes to a `numbanorm.Moments`, that of all of x. Of integers it is what
        ``Moments.of(x.compute())`` is, to the last bit.

    Raises
    ------
    ValueError
        If a shape or the layout is wrong.
    TypeError
        If x is no Dask array, or its dtype is wrong.

    Examples
    --------
    >>> import dask.array as da
    >>> import numbanorm.dask
    >>> x = da.arange(48, chunks=12).astype("uint8").reshape(4, 4, 3)
    >>> numbanorm.dask.moments(x, layout="NHWC").compute()
    Moments(channels=3, count=16, mean=[22.5, 23.5, 24.5], std=[13.8..., 13.8..., 13.8...])
    """
    axis = lazy.axis_of(x, layout, checks.pixels)
    return lazy.joined(lazy.moments(x, layout, axis))


def channel_mean_var(
    x: da.Array, *, layout: Layout = "NCHW", correction: float = 0
) -> tuple[da.Array, da.Array]:
    """Return the mean and the variance of each channel of a Dask array, lazily.

    Parameters
    ----------
    x, layout
        As of `moments`.
    correction : float
        The variance is the sum of squared distances from the mean divided by the number of values
        less this: 0 for the biased, 1 for the unbiased one.

    Returns
    -------
    mean, var : dask.array.Array, shape (C,), float64
        In chunks as x's axis of channels. Computed together, as by ``dask.compute(mean, var)``,
        they read x once.

    Raises
    ------
    ValueError
        If a shape or the layout is wrong, or the correction leaves no positive divisor; that, if
        sizes of chunks are unknown, when it is computed.
    TypeError
        If x is no Dask array, or a dtype or a type is wrong.

    Examples
    --------
    >>> import dask
    >>> import dask.array as da
    >>> import numbanorm.dask
    >>> x = da.from_array([[1.0, 10.0], [3.0, 30.0]], chunks=1)
    >>> dask.compute(*numbanorm.dask.channel_mean_var(x))
    (array([ 2., 20.]), array([  1., 100.]))
    """
    axis = lazy.axis_of(x, layout, checks.pixels)
    count = math.prod(x.shape[:axis] + x.shape[axis + 1 :])
    if math.isnan(count):
        correction = checks.finite("correction", correction)
    else:
        correction = checks.correction(correction, count)
    found = lazy.moments(x, layout, axis)
    var = lazy.of_moments(tasks.var, found, x, axis, correction=correction)
    return lazy.of_moments(tasks.mean, found, x, axis), var


def channel_normalize(
    x: da.Array, mean: ArrayLike | da.Array, std: ArrayLike | da.Array, *, layout: Layout = "NCHW"
) -> da.Array:
    """Return ``(x - mean) / std`` of a Dask array, lazily.

    Parameters
    ----------
    x, layout
        As of `moments`.
    mean, std : array_like or dask.array.Array, shape (C,), real numbers
        As of `numbanorm.channel_normalize`; lazy ones are computed once.

    Returns
    -------
    dask.array.Array, x's shape, chunks and dtype; of integers float32
        What `numbanorm.channel_normalize` gives, to the last bit.

    Raises
    ------
    ValueError
        If a shape or the layout is wrong.
    TypeError
        If x is no Dask array, or a dtype or a type is wrong.

    Examples
    --------
    >>> import dask.array as da
    >>> import numbanorm.dask
    >>> x = da.from_array([[0.5, 1.0], [0.25, 2.0]], chunks=1)
    >>> numbanorm.dask.channel_normalize(x, [0.5, 1.0], [0.25, 1.0]).compute()
    array([[ 0.,  0.],
           [-1.,  1.]])
    """
    axis = lazy.axis_of(x, layout, checks.pixels)
    check = partial(checks.numbers, shape=(x.shape[axis],))
    found = [lazy.parameter(*pair, x, axis, check) for pair in (("mean", mean), ("std", std))]
    return lazy.like(x, axis, tasks.channel_normalize, found, layout=layout)


def batch_norm(
    x: da.Array,
    weight: ArrayLike | da.Array | None = None,
    bias: ArrayLike | da.Array | None = None,
    eps: float = 1e-5,
    *,
    layout: Layout = "NCHW",
) -> da.Array:
    """Return batch norm of a Dask array by the statistics of all of it, lazily.

    That is `numbanorm.batch_norm` in training, without running statistics.

    Parameters
    ----------
    x : dask.array.Array, shape (N, C, ...) or (N, ..., C), float16, bfloat16, float32 or float64
        The batch, otherwise as of `moments`.
    weight, bias : array_like or dask.array.Array, shape (C,), x's dtype, or float32 for 16-bit x
        1 and 0 if not given.
    eps : float
        Added to the variance; not negative.
    layout : {'NCHW', 'NHWC'}
        Whether the channels are axis 1 or the last axis.

    Returns
    -------
    dask.array.Array, x's shape, chunks and dtype

    Raises
    ------
    ValueError
        If a shape, a value or the layout is wrong, or if x has one value per channel; that, if
        sizes of chunks are unknown, when it is computed.
    TypeError
        If x is no Dask array, or a dtype or a type is wrong.

    Notes
    -----
    Nothing is normalised before the statistics are there, and Dask keeps what is computed and
    needed again: all of x, in memory or spilled. To compute an x that is larger than memory twice
    instead, take the two steps by hand::

        mean, var = dask.compute(*numbanorm.dask.channel_mean_var(x))
        y = numbanorm.dask.channel_normalize(x, mean, np.sqrt(var + eps))

    Examples
    --------
    >>> import dask.array as da
    >>> import numbanorm.dask
    >>> x = da.from_array([[1.0, 10.0], [3.0, 30.0]], chunks=1)
    >>> numbanorm.dask.batch_norm(x, eps=0.0).compute()
    array([[-1., -1.],
           [ 1.,  1.]])
    """
    axis, eps = lazy.axis_of(x, layout, checks.data), checks.epsilon(eps)
    checks.batch_size(x.shape, x.shape[axis])
    check = partial(checks.parameter, dtype=x.dtype.newbyteorder("="), shape=(x.shape[axis],))
    given = [
        None if value is None else lazy.parameter(name, value, x, axis, check)
        for name, value in (("weight", weight), ("bias", bias))
    ]
    found = lazy.moments(x, layout, axis)
    own = [lazy.of_moments(task, found, x, axis) for task in (tasks.mean, tasks.training_var)]
    return lazy.like(x, axis, tasks.batch_norm, own + given, eps=eps, layout=layout)
