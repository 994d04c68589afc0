"""RMS norm as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from numbanorm.layers.row_norm import RowNorm

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class RMSNorm(RowNorm):
    """RMS norm of inputs of shape (..., *normalized_shape).

    Each row, made of the last axes, is divided by its root mean square, in training and in
    inference; see `numbanorm.rms_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of the last axes, one or more of them.
    eps : float, optional
        Added to the mean square; not negative. If not given, ``np.finfo(dtype).eps``, which for 16
        bits is float32's.
    elementwise_affine : bool
        Whether there is a weight for each element of a row, at first 1.
    dtype : dtype_like
        float16, bfloat16, float32 or float64: the dtype of the weight, and of x. One of float32
        takes x of 16 bits, too.

    Attributes
    ----------
    weight : ndarray, shape normalized_shape, or None
        The parameter. There is no bias: it is None.
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
    >>> layer = nbn.RMSNorm(8)
    >>> layer
    RMSNorm((8,), eps=None, elementwise_affine=True)
    >>> y = layer(np.ones((2, 3, 8), np.float32))
    >>> layer.backward(y).shape, sorted(layer.gradients())
    ((2, 3, 8), ['weight'])
    """

    _centred = False
    _state = ("weight",)

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(normalized_shape, eps, elementwise_affine, False, dtype)

    def __repr__(self) -> str:
        """Read like torch's."""
        return (
            f"RMSNorm({self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine})"
        )
