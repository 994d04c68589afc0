"""Layer norm as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from numbanorm.layers.row_norm import RowNorm

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class LayerNorm(RowNorm):
    """Layer norm of inputs of shape (..., *normalized_shape).

    Each row, made of the last axes, is normalised by its own mean and biased variance, in training
    and in inference; see `numbanorm.layer_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of the last axes, one or more of them.
    eps : float
        Added to the variance; not negative.
    elementwise_affine : bool
        Whether there is a weight for each element of a row, at first 1, and perhaps a bias.
    bias : bool
        Whether there is a bias too, at first 0.
    dtype : dtype_like
        float16, bfloat16, float32 or float64: the dtype of the arrays, and of x. One of float32
        takes x of 16 bits, too.

    Attributes
    ----------
    weight, bias : ndarray, shape normalized_shape, or None
        The parameters.
    training : bool
        The mode, which `train` and `eval` set, and which changes nothing.

    Raises
    ------
    ValueError
        If normalized_shape is empty or has a negative size, or eps is negative.
    TypeError
        If an argument is of another type.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> layer = nbn.LayerNorm(8)
    >>> layer
    LayerNorm((8,), eps=1e-05, elementwise_affine=True, bias=True)
    >>> y = layer(np.ones((2, 3, 8), np.float32))
    >>> layer.backward(y).shape, sorted(layer.gradients())
    ((2, 3, 8), ['bias', 'weight'])
    """

    _centred = True

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, bias, dtype)

    def __repr__(self) -> str:
        """Read like torch's."""
        return (
            f"LayerNorm({self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None})"
        )
