"""Instance norm: each channel of each sample normalised over its spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from numbanorm.calls import checks, finishing, norms

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from numbanorm._types import Array, Given, Layout, WithStats


# fmt: off
@overload
def instance_norm(
    x: ArrayLike, running_mean: Given = None, running_var: Given = None, weight: Given = None,
    bias: Given = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5, *,
    layout: Layout = "NCHW", return_stats: Literal[False] = False, out: Array | None = None,
) -> Array: ...
@overload
def instance_norm(
    x: ArrayLike, running_mean: Given = None, running_var: Given = None, weight: Given = None,
    bias: Given = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5, *,
    layout: Layout = "NCHW", return_stats: Literal[True], out: Array | None = None,
) -> WithStats: ...
@overload
def instance_norm(
    x: ArrayLike, running_mean: Given = None, running_var: Given = None, weight: Given = None,
    bias: Given = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5, *,
    layout: Layout = "NCHW", return_stats: bool, out: Array | None = None,
) -> Array | WithStats: ...
# fmt: on
def instance_norm(
    x: ArrayLike,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    layout: Layout = "NCHW",
    return_stats: bool = False,
    out: Array | None = None,
) -> Array | WithStats:
    """Normalise each channel of each sample to mean 0 and variance 1, then scale and shift it.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, with one mean and one variance for each
    of the N * C channels of samples [1]_.

    Parameters
    ----------
    x : array_like, shape (N, C, ...) or (N, ..., C), float16, bfloat16, float32 or float64
        The batch, of rank 3 or more.
    running_mean, running_var : array_like, shape (C,), x's dtype, or float32 for 16-bit x, optional
        Where given with ``use_input_stats``, updated in place by
        ``running = (1 - momentum) * running + momentum * batch``, with the mean over all samples of
        their means and unbiased variances. They must then have memory of their own, as arrays and
        CPU tensors do.
    weight, bias : array_like, shape (C,), x's dtype, or float32 for 16-bit x, optional
        1 and 0 if not given.
    use_input_stats : bool
        Whether to normalise by x's own means and biased variances, not by the running ones.
    momentum : float
        The weight of the batch in the update.
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
    mean, rstd : ndarray, shape (N, C), float64
        What x was normalised by, ``rstd = 1 / sqrt(var + eps)``, or 0 where ``var + eps`` is 0.
        Only with ``return_stats``.

    Raises
    ------
    ValueError
        If a shape, a value or the layout is wrong; if x is to be normalised by its own statistics
        and a channel of a sample has one value; if a running array is missing where it is not.
        Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    References
    ----------
    .. [1] D. Ulyanov, A. Vedaldi and V. Lempitsky, "Instance Normalization: The Missing Ingredient
       for Fast Stylization", 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> x = np.array([[[1.0, 3.0]], [[20.0, 40.0]]])
    >>> nbn.instance_norm(x, eps=0.0)
    array([[[-1.,  1.]],
    <BLANKLINE>
           [[-1.,  1.]]])
    """
    array = checks.data("x", x)
    y, mean, var = norms.instance_forward(
        array,
        running_mean,
        running_var,
        weight,
        bias,
        use_input_stats,
        momentum,
        eps,
        checks.layout(layout),
        out,
        x,
    )
    return (y, *finishing.statistics(mean, var, eps)) if return_stats else y


def instance_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    mean: ArrayLike,
    rstd: ArrayLike,
    weight: ArrayLike | None = None,
    use_input_stats: bool = True,
    *,
    layout: Layout = "NCHW",
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of instance norm, given that of its result.

    With ``x_hat = (x - mean) * rstd``, and the mean taken over a channel of a sample::

        dbias = sum(dy)        dweight = sum(dy * x_hat)      over all samples
        dx = rstd * weight * (dy - mean(dy) - x_hat * mean(dy * x_hat))   with use_input_stats
        dx = rstd * weight * dy                                           without

    Parameters
    ----------
    dy : array_like, x's shape and dtype
        The gradient of y, in any strides.
    x : array_like, shape (N, C, ...) or (N, ..., C), float16, bfloat16, float32 or float64
        What `instance_norm` was given.
    mean, rstd : array_like, shape (N, C), float64 or float32
        What `instance_norm` returned with ``return_stats=True``.
    weight : array_like, shape (C,), x's dtype, or float32 for 16-bit x, optional
        1 if not given.
    use_input_stats : bool
        Whether mean and rstd are x's own, which depend on x.
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
        If a shape or the layout is wrong. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> x = np.array([[[1.0, 3.0]], [[20.0, 40.0]]])
    >>> y, mean, rstd = nbn.instance_norm(x, eps=0.0, return_stats=True)
    >>> dx, dweight, dbias = nbn.instance_norm_backward(np.ones_like(x), x, mean, rstd)
    >>> dweight, dbias
    (array([0.]), array([4.]))
    """
    array = checks.data("x", x)
    layout = checks.layout(layout)
    return norms.instance_backward(dy, array, mean, rstd, weight, use_input_stats, layout, out, x)
