"""RMS norm: each row, made of the last axes, divided by its root mean square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

from numbanorm.calls import checks, finishing, norms

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from numbanorm._types import Array, Given


# fmt: off
@overload
def rms_norm(
    x: ArrayLike, normalized_shape: int | Sequence[int], weight: Given = None,
    eps: float | None = None, *, return_stats: Literal[False] = False, out: Array | None = None,
) -> Array: ...
@overload
def rms_norm(
    x: ArrayLike, normalized_shape: int | Sequence[int], weight: Given = None,
    eps: float | None = None, *, return_stats: Literal[True], out: Array | None = None,
) -> tuple[Array, Array]: ...
@overload
def rms_norm(
    x: ArrayLike, normalized_shape: int | Sequence[int], weight: Given = None,
    eps: float | None = None, *, return_stats: bool, out: Array | None = None,
) -> Array | tuple[Array, Array]: ...
# fmt: on
def rms_norm(
    x: ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: ArrayLike | None = None,
    eps: float | None = None,
    *,
    return_stats: bool = False,
    out: Array | None = None,
) -> Array | tuple[Array, Array]:
    """Divide the last axes by their root mean square, then scale each element.

    ``y = x / sqrt(mean(x**2) + eps) * weight``, with one mean for each row, that is for all that
    the axes before the last ones index [1]_. A row's result does not depend on the rows beside it.

    Parameters
    ----------
    x : array_like, shape (..., *normalized_shape), float16, bfloat16, float32 or float64
        The rows.
    normalized_shape : int or sequence of int
        The sizes of the last axes, one or more of them.
    weight : array_like, shape normalized_shape, x's dtype, or float32 for 16-bit x, optional
        1 if not given.
    eps : float, optional
        Added to the mean square; not negative. If not given, ``np.finfo(x.dtype).eps``, which for
        16-bit x is float32's.
    return_stats : bool
        Whether to return the statistics too.
    out : ndarray, x's shape and dtype, optional
        Where y goes: x itself, or memory that overlaps no argument.

    Returns
    -------
    y : ndarray, x's shape and dtype
        C-contiguous.
    rstd : ndarray, x's shape with a 1 for each of the last axes, float64
        ``1 / sqrt(mean(x**2) + eps)``, or 0 where that is 1 / 0. Only with ``return_stats``.

    Raises
    ------
    ValueError
        If a shape or a value is wrong. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    References
    ----------
    .. [1] B. Zhang and R. Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> nbn.rms_norm(np.array([[3.0, 4.0], [-3.0, 4.0]]), 2, np.sqrt([12.5, 12.5]), 0.0)
    array([[ 3.,  4.],
           [-3.,  4.]])
    """
    array = checks.data("x", x)
    eps = norms.machine_epsilon(array.dtype) if eps is None else eps
    y, mean, var = norms.row_forward(array, normalized_shape, weight, None, eps, False, out, x)
    return (y, finishing.statistics(mean, var, eps)[1]) if return_stats else y


def rms_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    rstd: ArrayLike,
    normalized_shape: int | Sequence[int],
    weight: ArrayLike | None = None,
    *,
    out: Array | None = None,
) -> tuple[Array, Array]:
    """Return the gradients of RMS norm, given that of its result.

    With ``x_hat = x * rstd``, ``g = weight * dy`` and the mean taken over a row::

        dweight = sum(dy * x_hat)      over all rows
        dx = rstd * (g - x_hat * mean(g * x_hat))

    Parameters
    ----------
    dy : array_like, x's shape and dtype
        The gradient of y, in any strides.
    x : array_like, shape (..., *normalized_shape), float16, bfloat16, float32 or float64
        What `rms_norm` was given.
    rstd : array_like, x's shape with a 1 for each of the last axes, float64 or float32
        What `rms_norm` returned with ``return_stats=True``.
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
    dweight : ndarray, shape normalized_shape, x's dtype, or float32 for 16-bit x
        As if weight were 1 where it was not given. 0 if there are no rows.

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
    >>> x = np.array([[3.0, 4.0], [-3.0, 4.0]])
    >>> y, rstd = nbn.rms_norm(x, 2, eps=0.0, return_stats=True)
    >>> dx, dweight = nbn.rms_norm_backward(np.ones_like(x), x, rstd, 2)
    >>> dweight.round(3)
    array([0.   , 2.263])
    """
    array = checks.data("x", x)
    found = norms.row_backward(dy, array, None, rstd, normalized_shape, weight, False, out, x)
    return found[:2]
