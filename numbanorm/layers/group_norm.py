"""Group norm as a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, finishing, norms
from numbanorm.layers import checks as rules
from numbanorm.layers.base import Layer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from numbanorm._types import Layout


class GroupNorm(Layer):
    """Group norm of inputs of shape (N, C, ...), or (N, ..., C) in layout NHWC.

    Each of the ``num_groups`` groups of channels of each sample is normalised by its own mean and
    biased variance, in training and in inference; see `numbanorm.group_norm`.

    Parameters
    ----------
    num_groups : int
        A divisor of num_channels.
    num_channels : int
        The number of channels, C.
    eps : float
        Added to the variance; not negative.
    affine : bool
        Whether there are a weight and a bias for each channel, at first 1 and 0.
    layout : {'NCHW', 'NHWC'}
        Whether the channels are axis 1 or the last axis.
    dtype : dtype_like
        float16, bfloat16, float32 or float64: the dtype of the arrays, and of x. One of float32
        takes x of 16 bits, too.

    Attributes
    ----------
    weight, bias : ndarray, shape (C,), or None
        The parameters.
    training : bool
        The mode, which `train` and `eval` set, and which changes nothing.

    Raises
    ------
    ValueError
        If num_groups does not divide num_channels, eps is negative, or layout is unknown.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> layer = nbn.GroupNorm(2, 6)
    >>> layer
    GroupNorm(2, 6, eps=1e-05, affine=True, bias=True)
    >>> y = layer(np.ones((2, 6, 8, 8), np.float32))
    >>> layer.backward(y).shape, sorted(layer.gradients())
    ((2, 6, 8, 8), ['bias', 'weight'])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        layout: Layout = "NCHW",
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.num_channels = checks.integer("num_channels", num_channels, 0)
        self.num_groups = checks.groups(num_groups)
        checks.grouping(self.num_groups, self.num_channels)
        checks.epsilon(eps)
        self.eps, self.affine = eps, bool(affine)
        self.layout, self.dtype = checks.layout(layout), checks.dtype(dtype)
        self.weight = np.ones(self.num_channels, self.dtype) if affine else None
        self.bias = np.zeros(self.num_channels, self.dtype) if affine else None

    def __repr__(self) -> str:
        """Read like torch's, with the layout where it is not torch's."""
        layout = "" if self.layout == "NCHW" else f", layout={self.layout!r}"
        return (
            f"GroupNorm({self.num_groups}, {self.num_channels}, eps={self.eps}, "
            f"affine={self.affine}, bias={self.bias is not None}{layout})"
        )

    def __call__(self, x: ArrayLike) -> NDArray[Any]:
        """Return x normalised.

        Parameters
        ----------
        x : array_like, shape (N, C, ...) or (N, ..., C), the layer's dtype
            The batch. In training it is kept for `backward`, not copied: don't change it until
            then.

        Returns
        -------
        y : ndarray, x's shape and dtype
            As `numbanorm.group_norm` gives it.

        Raises
        ------
        ValueError
            If x's shape is wrong, or x has one value per group. The layer is as it was before then.
        TypeError
            If x's dtype is wrong. The layer is as it was before then.
        """
        x = checks.data("x", x)
        rules.input_channels(x, None, self.num_channels, self.dtype, self.layout)
        y, mean, var = norms.group_forward(
            x, self.num_groups, self.weight, self.bias, self.eps, self.layout
        )
        if self._saves():
            self._saved = x, mean, var
        return y

    def _backward(
        self, dy: ArrayLike, *saved: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        x, mean, var = saved
        mean, rstd = finishing.statistics(mean, var, self.eps)
        return norms.group_backward(dy, x, mean, rstd, self.num_groups, self.weight, self.layout)
