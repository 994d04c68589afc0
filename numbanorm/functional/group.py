"""Group norm: each group of channels of each sample normalised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from numbanorm.calls import checks, finishing, norms

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from numbanorm._types import Array, Given, Layout, WithStats


# fmt: off
@overload
def group_norm(
    x: ArrayLike, num_groups: int, weight: Given = None, bias: Given = None, eps: float = 1e-5, *,
    layout: Layout = "NCHW", return_stats: Literal[False] = False, out: Array | None = None,
) -> Array: ...
@overload
def group_norm(
    x: ArrayLike, num_groups: int, weight: Given = None, bias: Given = None, eps: float = 1e-5, *,
    layout: Layout = "NCHW", return_stats: Literal[True], out: Array | None = None,
) -> WithStats: ...
@overload
def group_norm(
    x: ArrayLike, num_groups: int, weight: Given = None, bias: Given = None, eps: float = 1e-5, *,
    layout: Layout = "NCHW", return_stats: bool, out: Array | None = None,
) -> Array | WithStats: ...
# fmt: on
def group_norm(
    x: ArrayLike,
    num_groups: int,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
    *,
    layout: Layout = "NCHW",
    return_stats: bool = False,
    out: Array | None = None,
) -> Array | WithStats:
    """Normalise each group of channels of each sample, then scale and shift each channel.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, with one mean and one variance for each
    of the N * num_groups groups of ``C / num_groups`` neighbouring channels [1]_.

    Parameters
    ----------
    x : array_like, shape (N, C, ...) or (N, ..., C), float16, bfloat16, float32 or float64
        The batch, of rank 2 or more.
    num_groups : int
        A divisor of C.
    weight, bias : array_like, shape (C,), x's dtype, or float32 for 16-bit x, optional
        1 and 0 if not given.
    eps : float
        Added to the variance; not negative.
    layout : {'NCHW', 'NHWC'}
        Whether the channels are axis 1 or the last axis.
    return_stats : bool
        Whether to return the statistics too.
    out : ndarray, x's shape and dtype, optional
        Where y goes: x itself, or memory that overlaps no argument.

    Returns
    -------
    y : ndarray, x's shape and dtype
        With strides as `batch_norm` gives it.
    mean, rstd : ndarray, shape (N, num_groups), float64
        What x was normalised by, ``rstd = 1 / sqrt(var + eps)``, or 0 where ``var + eps`` is 0.
        Only with ``return_stats``.

    Raises
    ------
    ValueError
        If a shape, a value or the layout is wrong, or if x has one value per group, all samples
        taken together. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    References
    ----------
    .. [1] Y. Wu and K. He, "Group Normalization", ECCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> nbn.group_norm(np.array([[1.0, 3.0, 20.0, 40.0]]), 2, eps=0.0)
    array([[-1.,  1., -1.,  1.]])
    """
    array = checks.data("x", x)
    layout = checks.layout(layout)
    y, mean, var = norms.group_forward(array, num_groups, weight, bias, eps, layout, out, x)
    return (y, *finishing.statistics(mean, var, eps)) if return_stats else y


def group_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    mean: ArrayLike,
    rstd: ArrayLike,
    num_groups: int,
    weight: ArrayLike | None = None,
    *,
    layout: Layout = "NCHW",
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of group norm, given that of its result.

    With ``x_hat = (x - mean) * rstd``, ``g = weight * dy`` and the mean taken over a group::

        dbias = sum(dy)        dweight = sum(dy * x_hat)      over all but the channels
        dx = rstd * (g - mean(g) - x_hat * mean(g * x_hat))

    Parameters
    ----------
    dy : array_like, x's shape and dtype
        The gradient of y, in any strides.
    x : array_like, shape (N, C, ...) or (N, ..., C), float16, bfloat16, float32 or float64
        What `group_norm` was given.
    mean, rstd : array_like, shape (N, num_groups), float64 or float32
        What `group_norm` returned with ``return_stats=True``.
    num_groups : int
        A divisor of C.
    weight : array_like, shape (C,), x's dtype, or float32 for 16-bit x, optional
        1 if not given.
    layout : {'NCHW', 'NHWC'}
        Whether the channels are axis 1 or the last axis.
    out : ndarray, x's shape and dtype, optional
        Where dx goes: dy itself, x itself, or memory that overlaps no argument.

    Returns
    -------
    dx : ndarray, x's shape and dtype
        With strides as `batch_norm` gives y.
    dweight, dbias : ndarray, shape (C,), x's dtype, or float32 for 16-bit x
        As if weight were 1 and bias 0 where they were not given. 0 for an empty batch.

    Raises
    ------
    ValueError
        If a shape, a value or the layout is wrong. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> x = np.array([[1.0, 3.0, 20.0, 40.0]])
    >>> y, mean, rstd = nbn.group_norm(x, 2, eps=0.0, return_stats=True)
    >>> dx, dweight, dbias = nbn.group_norm_backward(np.ones_like(x), x, mean, rstd, 2)
    >>> dweight, dbias
    (array([-1.,  1., -1.,  1.]), array([1., 1., 1., 1.]))
    """
    array = checks.data("x", x)
    layout = checks.layout(layout)
    return norms.group_backward(dy, array, mean, rstd, num_groups, weight, layout, out, x)
