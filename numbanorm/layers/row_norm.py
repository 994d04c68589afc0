"""What layer and RMS norm layers have in common: rows, each normalised by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from numbanorm.calls import checks, finishing, norms
from numbanorm.layers import checks as rules
from numbanorm.layers.base import Layer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray


class RowNorm(Layer):
    """A layer for inputs of shape (..., *normalized_shape), whose last axes make rows."""

    # Whether rows are normalised by their variance, rather than their mean square.
    _centred: ClassVar[bool]

    eps: float | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None,
        elementwise_affine: bool,
        bias: bool,
        dtype: DTypeLike,
    ) -> None:
        super().__init__()
        self.normalized_shape = checks.shape("normalized_shape", normalized_shape)
        # Only RMS norm has an eps that hangs on the dtype.
        if eps is not None or self._centred:
            checks.epsilon(eps)
        self.eps, self.elementwise_affine = eps, bool(elementwise_affine)
        self.dtype = checks.dtype(dtype)
        self.weight = np.ones(self.normalized_shape, self.dtype) if elementwise_affine else None
        self.bias = (
            np.zeros(self.normalized_shape, self.dtype) if elementwise_affine and bias else None
        )

    def _epsilon(self) -> float:
        """Return eps, or the one that stands for None."""
        return norms.machine_epsilon(self.dtype) if self.eps is None else self.eps

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
            As `numbanorm.layer_norm` or `numbanorm.rms_norm` gives it.

        Raises
        ------
        ValueError
            If x's shape is wrong. The layer is as it was before then.
        TypeError
            If x's dtype is wrong. The layer is as it was before then.
        """
        x = checks.data("x", x)
        rules.input_dtype(x, self.dtype)
        y, mean, var = norms.row_forward(
            x, self.normalized_shape, self.weight, self.bias, self._epsilon(), self._centred
        )
        if self._saves():
            self._saved = x, mean if self._centred else None, var
        return y

    def _backward(
        self, dy: ArrayLike, *saved: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        x, mean, var = saved
        _, rstd = finishing.statistics(var, var, self._epsilon())
        return norms.row_backward(
            dy, x, mean, rstd, self.normalized_shape, self.weight, self._centred
        )
