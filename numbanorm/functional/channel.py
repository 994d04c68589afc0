"""Statistics of channels, and normalising by given ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from numbanorm.calls import checks, norms

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from numbanorm._types import Array, Layout


def channel_mean_var(
    x: ArrayLike, *, layout: Layout = "NCHW", correction: float = 0
) -> tuple[Array, Array]:
    """Return the mean and the variance of each channel.

    Parameters
    ----------
    x : array_like, shape (N, C, ...) or (N, ..., C), uint8, uint16, int16 or of floats
        Data of rank 2 or more.
    layout : {'NCHW', 'NHWC'}
        Whether the channels are axis 1 or the last axis.
    correction : float
        The variance is the sum of squared distances from the mean divided by the number of values
        less this: 0 for the biased, 1 for the unbiased one.

    Returns
    -------
    mean, var : ndarray, shape (C,), float64
        NaN for empty channels. Of integers, the nearest float64 to the exact ones.

    Raises
    ------
    ValueError
        If a shape or the layout is wrong, or the correction leaves no positive divisor.
    TypeError
        If a dtype or a type is wrong.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> nbn.channel_mean_var(np.array([[1.0, 10.0], [3.0, 30.0]]))
    (array([ 2., 20.]), array([  1., 100.]))
    """
    return norms.moments(checks.pixels("x", x), checks.layout(layout), correction)


def channel_normalize(
    x: ArrayLike,
    mean: ArrayLike,
    std: ArrayLike,
    *,
    layout: Layout = "NCHW",
    out: Array | None = None,
) -> Array:
    """Return ``(x - mean) / std``, with a mean and a standard deviation for each channel.

    Parameters
    ----------
    x : array_like, shape (N, C, ...) or (N, ..., C), uint8, uint16, int16 or of floats
        Data of rank 2 or more.
    mean, std : array_like, shape (C,), real numbers
        Used in float64 whatever x's dtype. A std may be negative; where one is 0, so may be the
        result.
    layout : {'NCHW', 'NHWC'}
        Whether the channels are axis 1 or the last axis.
    out : ndarray, the result's shape and dtype, optional
        Where the result goes: x itself, or memory that overlaps no argument.

    Returns
    -------
    ndarray, x's shape and dtype; of integers float32
        With strides as `batch_norm` gives y.

    Raises
    ------
    ValueError
        If a shape or the layout is wrong. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> image = np.array([[[[0.5, 1.0, 0.25]]]])
    >>> nbn.channel_normalize(image, [0.5, 0.5, 0.5], [0.25, 0.25, 0.25], layout="NHWC")
    array([[[[ 0.,  2., -1.]]]])
    """
    array = checks.pixels("x", x)
    return norms.standardize(array, mean, std, checks.layout(layout), out, x)
