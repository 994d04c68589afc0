"""RMS norm as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import _checks, _norm, _run
from numbanorm.layers.base import Layer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray


class RMSNorm(Layer):
    """RMS norm of inputs of shape (..., *normalized_shape).

    Each row, made of the last axes, is divided by its root mean square, in training and in
    inference; see `numbanorm.rms_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        The sizes of the last axes, one or more of them.
    eps : float, optional
        Added to the mean square; not negative. If not given, ``np.finfo(dtype).eps``.
    elementwise_affine : bool
        Whether there is a weight for each element of a row, at first 1.
    dtype : dtype_like
        float32 or float64: the dtype of the weight, and of x.

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

    _state = ("weight",)

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.normalized_shape = _checks.shape("normalized_shape", normalized_shape)
        if eps is not None:
            _checks.epsilon(eps)
        self.eps, self.elementwise_affine = eps, bool(elementwise_affine)
        self.dtype = _checks.dtype(dtype)
        kind = _checks.DTYPES[self.dtype]
        self.weight = np.ones(self.normalized_shape, kind) if elementwise_affine else None
        self.bias = None

    def __repr__(self) -> str:
        """Read like torch's."""
        return (
            f"RMSNorm({self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine})"
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
            As `numbanorm.rms_norm` gives it.

        Raises
        ------
        ValueError
            If x's shape is wrong. The layer is as it was before then.
        TypeError
            If x's dtype is wrong. The layer is as it was before then.
        """
        x = _checks.data("x", x)
        _checks.layer_dtype(x, self.dtype)
        y, _, var = _norm.row_forward(
            x, self.normalized_shape, self.weight, self.bias, self.eps, None, False
        )
        if self._saves():
            self._saved = x, var
        return y

    def _backward(
        self, dy: ArrayLike, *saved: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        x, var = saved
        eps = _norm.machine_epsilon(x.dtype) if self.eps is None else self.eps
        _, rstd = _run.statistics(var, var, eps)
        return _norm.row_backward(
            dy, x, None, rstd, self.normalized_shape, self.weight, None, False
        )
