"""Layer norm as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import _checks, _norm, _run
from numbanorm.layers.base import Layer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray


class LayerNorm(Layer):
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
        float32 or float64: the dtype of the arrays, and of x.

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

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.normalized_shape = _checks.shape("normalized_shape", normalized_shape)
        _checks.epsilon(eps)
        self.eps, self.elementwise_affine = eps, bool(elementwise_affine)
        self.dtype = _checks.dtype(dtype)
        kind = _checks.DTYPES[self.dtype]
        self.weight = np.ones(self.normalized_shape, kind) if elementwise_affine else None
        self.bias = np.zeros(self.normalized_shape, kind) if elementwise_affine and bias else None

    def __repr__(self) -> str:
        """Read like torch's."""
        return (
            f"LayerNorm({self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None})"
        )

    def __call__(self, x: ArrayLike) -> NDArray[Any]:
        """Return x normalised.

        Parameters
        ----------
        x : array_like, shape (..., *normalized_shape), the layer's dtype
            The rows. In training they are kept for `backward`, not copied: don't change them
            until then.

        Returns
        -------
        y : ndarray, x's shape and dtype
            As `numbanorm.layer_norm` gives it.

        Raises
        ------
        ValueError
            If x's shape is wrong. The layer is as it was before then.
        TypeError
            If x's dtype is wrong. The layer is as it was before then.
        """
        x = _checks.data("x", x)
        _checks.layer_dtype(x, self.dtype)
        y, mean, var = _norm.row_forward(
            x, self.normalized_shape, self.weight, self.bias, self.eps, None, True
        )
        if self._saves():
            self._saved = x, mean, var
        return y

    def _backward(
        self, dy: ArrayLike, *saved: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        x, mean, var = saved
        mean, rstd = _run.statistics(mean, var, self.eps)
        return _norm.row_backward(dy, x, mean, rstd, self.normalized_shape, self.weight, None, True)
