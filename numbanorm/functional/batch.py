"""Batch norm: each channel normalised over the batch and its spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, overload

from numbanorm.calls import checks, finishing, norms

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from numbanorm._types import Array, Given, Layout, WithStats


# fmt: off
@overload
def batch_norm(
    x: ArrayLike, running_mean: Given = None, running_var: Given = None, weight: Given = None,
    bias: Given = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5, *,
    layout: Layout = "NCHW", return_stats: Literal[False] = False, out: Array | None = None,
) -> Array: ...
@overload
def batch_norm(
    x: ArrayLike, running_mean: Given = None, running_var: Given = None, weight: Given = None,
    bias: Given = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5, *,
    layout: Layout = "NCHW", return_stats: Literal[True], out: Array | None = None,
) -> WithStats: ...
@overload
def batch_norm(
    x: ArrayLike, running_mean: Given = None, running_var: Given = None, weight: Given = None,
    bias: Given = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5, *,
    layout: Layout = "NCHW", return_stats: bool, out: Array | None = None,
) -> Array | WithStats: ...
# fmt: on
def batch_norm(
    x: ArrayLike,
    running_mean: ArrayLike | None = None,
    running_var: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    layout: Layout = "NCHW",
    return_stats: bool = False,
    out: Array | None = None,
) -> Array | WithStats:
    """Normalise each channel to mean 0 and variance 1, then scale and shift it.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, with one mean and one variance for each
    of the C channels [1]_.

    Parameters
    ----------
    x : array_like, shape (N, C, ...) or (N, ..., C), float16, bfloat16, float32 or float64
        The batch, of rank 2 or more.
    running_mean, running_var : array_like, shape (C,), x's dtype, or float32 for 16-bit x, optional
        Inference normalises by these, which may then be float32 or float64 for any x. Training
        updates those given in place, by ``running = (1 - momentum) * running + momentum * batch``,
        with the batch's unbiased variance; they must then have memory of their own, as arrays and
        CPU tensors do.
    weight, bias : array_like, shape (C,), x's dtype, or float32 for 16-bit x, optional
        1 and 0 if not given.
    training : bool
        Whether to normalise by the batch's mean and biased variance, not by the running ones.
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
        With x's strides where x, or its transpose to the other layout, is C-contiguous; otherwise
        C-contiguous.
    mean, rstd : ndarray, shape (C,), float64
        What x was normalised by, ``rstd = 1 / sqrt(var + eps)``, or 0 where ``var + eps`` is 0.
        Only with ``return_stats``. NaN for an empty batch in training, which updates nothing.

    Raises
    ------
    ValueError
        If a shape, a value or the layout is wrong; in training, if x has one value per channel; in
        inference, if a running array is missing. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    Notes
    -----
    Of float16 and bfloat16, ml_dtypes' dtype or a CPU tensor's, results are those of float32,
    rounded once: to the nearest, ties to even, beyond the largest number to inf. weight, bias and
    the running statistics may then each be of x's dtype or float32; statistics are float64 and
    gradients of parameters float32 all the same. This holds for all norms.

    References
    ----------
    .. [1] S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by
       Reducing Internal Covariate Shift", ICML 2015, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> mean, var = np.zeros(2), np.ones(2)
    >>> nbn.batch_norm(x, mean, var, training=True, momentum=0.5, eps=0.0)
    array([[-1., -1.],
           [ 1.,  1.]])
    >>> mean, var
    (array([ 1., 10.]), array([  1.5, 100.5]))
    >>> nbn.batch_norm(x, mean, var).round(2)
    array([[0.  , 0.  ],
           [1.63, 2.  ]])
    """
    array = checks.data("x", x)
    y, mean, var = norms.batch_forward(
        array,
        running_mean,
        running_var,
        weight,
        bias,
        training,
        momentum,
        eps,
        checks.layout(layout),
        out,
        x,
    )
    return (y, *finishing.statistics(mean, var, eps)) if return_stats else y


def batch_norm_backward(
    dy: ArrayLike,
    x: ArrayLike,
    mean: ArrayLike,
    rstd: ArrayLike,
    weight: ArrayLike | None = None,
    training: bool = True,
    *,
    layout: Layout = "NCHW",
    out: Array | None = None,
) -> tuple[Array, Array, Array]:
    """Return the gradients of batch norm, given that of its result.

    With ``x_hat = (x - mean) * rstd`` and sums over all M values of a channel [1]_::

        dbias = sum(dy)        dweight = sum(dy * x_hat)
        dx = rstd * weight * (dy - dbias / M - x_hat * dweight / M)     in training
        dx = rstd * weight * dy                                         in inference

    Parameters
    ----------
    dy : array_like, x's shape and dtype
        The gradient of y, in any strides.
    x : array_like, shape (N, C, ...) or (N, ..., C), float16, bfloat16, float32 or float64
        What `batch_norm` was given.
    mean, rstd : array_like, shape (C,), float64 or float32
        What `batch_norm` returned with ``return_stats=True``.
    weight : array_like, shape (C,), x's dtype, or float32 for 16-bit x, optional
        1 if not given.
    training : bool
        Whether mean and rstd are the batch's own, which depend on x.
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

    References
    ----------
    .. [1] S. Ioffe and C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by
       Reducing Internal Covariate Shift", ICML 2015, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> x = np.array([[1.0, 10.0], [3.0, 30.0]])
    >>> y, mean, rstd = nbn.batch_norm(x, training=True, eps=0.0, return_stats=True)
    >>> dy = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> dx, dweight, dbias = nbn.batch_norm_backward(dy, x, mean, rstd)
    >>> dweight, dbias
    (array([2., 2.]), array([4., 6.]))
    """
    array = checks.data("x", x)
    layout = checks.layout(layout)
    return norms.batch_backward(dy, array, mean, rstd, weight, training, layout, out, x)
