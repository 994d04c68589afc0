"""What batch and instance norm layers have in common: parameters and statistics of channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from numbanorm.calls import checks
from numbanorm.layers.base import Layer

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from numbanorm._types import Layout


class ChannelNorm(Layer):
    """A layer with a parameter, and perhaps running statistics, for each channel.

    Parameters
    ----------
    num_features : int
        The number of channels, C.
    eps : float
        Added to the variance; not negative.
    momentum : float or None
        The weight of a batch in the update of the running statistics; None for their average over
        all batches.
    affine : bool
        Whether there are a weight and a bias, at first 1 and 0.
    track_running_stats : bool
        Whether there are running statistics. Without, the batch's serve in inference too.
    layout : {'NCHW', 'NHWC'}
        Whether the channels are axis 1 or the last axis.
    dtype : dtype_like
        float16, bfloat16, float32 or float64: the dtype of the arrays, and of x. One of float32
        takes x of 16 bits, too.

    Attributes
    ----------
    weight, bias : ndarray, shape (C,), or None
        The parameters.
    running_mean, running_var : ndarray, shape (C,), or None
        The running statistics, at first 0 and 1.
    num_batches_tracked : ndarray, shape (), int64, or None
        How many batches they were trained with, empty ones included.
    training : bool
        The mode, which `train` and `eval` set.

    Raises
    ------
    ValueError
        If num_features or eps is negative, momentum or eps is not finite, or layout is unknown.
    TypeError
        If an argument is of another type.
    """

    _state = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    # The ranks x may have.
    _ranks: ClassVar[tuple[int, ...]]

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        layout: Layout = "NCHW",
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        size = self.num_features = checks.integer("num_features", num_features, 0)
        checks.epsilon(eps)
        if momentum is not None:
            checks.finite("momentum", momentum)
        self.eps, self.momentum = eps, momentum
        self.affine, self.track_running_stats = bool(affine), bool(track_running_stats)
        self.layout = checks.layout(layout)
        self.dtype = checks.dtype(dtype)
        self.weight = np.ones(size, self.dtype) if affine else None
        self.bias = np.zeros(size, self.dtype) if affine else None
        tracked = self.track_running_stats
        self.running_mean = np.zeros(size, self.dtype) if tracked else None
        self.running_var = np.ones(size, self.dtype) if tracked else None
        self.num_batches_tracked = np.zeros((), np.int64) if tracked else None

    def __repr__(self) -> str:
        """Read like torch's, with the layout where it is not torch's."""
        layout = "" if self.layout == "NCHW" else f", layout={self.layout!r}"
        return (
            f"{type(self).__name__}({self.num_features}, eps={self.eps}, "
            f"momentum={self.momentum}, affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}{layout})"
        )
