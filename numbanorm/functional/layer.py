"""Layer norm: each row, made of the last axes, normalised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

from numbanorm.calls import checks, finishing, norms

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from numbanorm._types import Array, Given, WithStats


# fmt: off
@overload
def layer_norm(
    x: ArrayLike, normalized_shape: int | Sequence[int], weight: Given = None, bias: Given = None,
    eps: float = 1e-5, *, return_stats: Literal[False] = False, out: Array | None = None,
) -> Array: ...
@overload
def layer_norm(
    x: ArrayLike, normalized_shape: int | Sequence[int], weight: Given = None, bias: Given = None,
    eps: float = 1e-5, *, return_stats: Literal[True], out: Array | None = None,
) -> WithStats: ...
@overload
def layer_norm(
    x: ArrayLike, normalized_shape: int | Sequence[int], weight: Given = None, bias: Given = None,
    eps: float = 1e-5, *, return_stats: bool, out: Array | None = None,
) -> Array | WithStats: ...
# fmt: on
def layer_norm(
    x: ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    eps: float = 1e-5,
    *,
    return_stats: bool = False,
    out: Array | None = None,
) -> Array | WithStats:
    """Normalise the last axes to mean 0 and variance 1, then scale and shift each element.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, with one mean and one variance for each
    row, that is for all that the axes before the last ones index [1]_. A row's result does not
    depend on the rows beside it.

    Parameters
    ----------
    x : array_like, shape (..., *normalized_shape), float16, bfloat16, float32 or float64
        The rows.
    normalized_shape : int or sequence of int
        The sizes of the last axes, one or more of them.
    weight, bias : array_like, shape normalized_shape, x's dtype, or float32 for 16-bit x, optional
        1 and 0 if not given.
    eps : float
        Added to the variance; not negative.
    return_stats : bool
        Whether to return the statistics too.
    out : ndarray, x's shape and dtype, optional
        Where y goes: x itself, or memory that overlaps no argument.

    Returns
    -------
    y : ndarray, x's shape and dtype
        C-contiguous.
    mean, rstd : ndarray, x's shape with a 1 for each of the last axes, float64
        What x was normalised by, ``rstd = 1 / sqrt(var + eps)``, or 0 where ``var + eps`` is 0.
        Only with ``return_stats``.

    Raises
    ------
    ValueError
        If a shape or a value is wrong. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    References
    ----------
    .. [1] J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer Normalization", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> nbn.layer_norm(np.array([[1.0, 3.0], [20.0, 40.0]]), 2, eps=0.0)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    array = checks.data("x", x)
    y, mean, var = norms.row_forward(array, normalized_shape, weight, bias, eps, True, out, x)
    return (y, *finishing.statistics(mean, var, eps)) if return_stats else y


def layer_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    mean: ArrayLike,
    rstd: ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: ArrayLike | None = None,
    *,
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of layer norm, given that of its result.

    With ``x_hat = (x - mean) * rstd``, ``g = weight * dy`` and the mean taken over a row::

        dbias = sum(dy)        dweight = sum(dy * x_hat)      over all rows
        dx = rstd * (g - mean(g) - x_hat * mean(g * x_hat))

    Parameters
    ----------
    dy : array_like, x's shape and dtype
        The gradient of y, in any strides.
    x : array_like, shape (..., *normalized_shape), float16, bfloat16, float32 or float64
        What `layer_norm` was given.
    mean, rstd : array_like, x's shape with a 1 for each of the last axes, float64 or float32
        What `layer_norm` returned with ``return_stats=True``.
    normalized_shape : int or sequence of int
        The sizes of the last axes, one or more of them.
    weight : array_like, shape normalized_shape, x's dtype, or float32 for 16-bit x, optional
        1 if not given.
    out : ndarray, x's shape and dtype, optional
        Where dx goes: dy itself, x itself, or memory that overlaps no argument.

    Returns
    -------
    dx : ndarray, x's shape and dtype
        C-contiguous.
    dweight, dbias : ndarray, shape normalized_shape, x's dtype, or float32 for 16-bit x
        As if weight were 1 and bias 0 where they were not given. 0 if there are no rows.

    Raises
    ------
    ValueError
        If a shape or a value is wrong. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> x = np.array([[1.0, 3.0], [20.0, 40.0]])
    >>> y, mean, rstd = nbn.layer_norm(x, 2, eps=0.0, return_stats=True)
    >>> dx, dweight, dbias = nbn.layer_norm_backward(np.ones_like(x), x, mean, rstd, 2)
    >>> dweight, dbias
    (array([-2.,  2.]), array([2., 2.]))
    """
    array = checks.data("x", x)
    return norms.row_backward(dy, array, mean, rstd, normalized_shape, weight, True, out, x)
