"""Batch norm as layers, for inputs of rank 2 and 3, 4, and 5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, finishing, memory, norms
from numbanorm.layers import checks as rules
from numbanorm.layers.channel_norm import ChannelNorm

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike, NDArray

    from numbanorm.moments import Moments


class BatchNorm(ChannelNorm):
    """Batch norm of inputs of the ranks a subclass names."""

    def __call__(self, x: ArrayLike) -> NDArray[Any]:
        """Return x normalised, and in training update the running statistics.

        Parameters
        ----------
        x : array_like, shape (N, C, ...) or (N, ..., C), the layer's dtype
            The batch. In training it is kept for `backward`, not copied: don't change it until
            then.

        Returns
        -------
        y : ndarray, x's shape and dtype
            As `numbanorm.batch_norm` gives it.

        Raises
        ------
        ValueError
            If x's shape is wrong; in training, if x has one value per channel. The layer is as it
            was before then.
        TypeError
            If x's dtype is wrong. The layer is as it was before then.
        """
        x = checks.data("x", x)
        rules.input_channels(x, self._ranks, self.num_features, self.dtype, self.layout)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        updating = self.training and self.track_running_stats
        if updating or not self.training:
            running_mean, running_var = self.running_mean, self.running_var
        else:
            running_mean = running_var = None
        tracked = self.num_batches_tracked if updating else None
        y, mean, var = norms.batch_forward(
            x,
            running_mean,
            running_var,
            self.weight,
            self.bias,
            by_batch,
            # None is for where the count is: another thread's batch may come in between.
            0.0 if self.momentum is None and tracked is None else self.momentum,
            self.eps,
            self.layout,
            tracked=tracked,
        )
        if self._saves():
            # Inference is by the running arrays themselves, which may change before backward.
            found = (mean, var) if by_batch else (mean.copy(), var.copy())
            self._saved = x, *found, by_batch
        return y

    def set_statistics(self, moments: Moments) -> Self:
        """Set the running statistics to those of a whole data set; returns the layer.

        In place of an average over the batches of a training, whose parameters have changed since,
        or none of which was a fair sample: as after weights were averaged. The running variance is
        the unbiased one, as in training, and the data set counts as one batch. What is NaN in the
        moments is NaN in the layer, and inf what its dtype can't hold.

        Parameters
        ----------
        moments : Moments
            Of what the layer is given, for its number of channels.

        Raises
        ------
        ValueError
            If the layer has no running statistics, or one is read-only, or the moments have another
            number of channels, or less than two values of each. The layer is as it was then.
        TypeError
            If it is given something else.

        Examples
        --------
        >>> import numpy as np
        >>> import numbanorm as nbn
        >>> x = np.arange(12, dtype=np.float32).reshape(4, 3)
        >>> nbn.BatchNorm1d(3).set_statistics(nbn.Moments.of(x)).running_var
        array([15., 15., 15.], dtype=float32)
        """
        found = rules.moments(moments, self.num_features)
        arrays = self.running_mean, self.running_var, self.num_batches_tracked
        kept = rules.kept_statistics(arrays)
        with np.errstate(over="ignore"):
            memory.replace(list(zip(kept, (found.mean, found.var(1), np.array(1)))))
        return self

    def _backward(
        self, dy: ArrayLike, *saved: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        x, mean, var, by_batch = saved
        mean, rstd = finishing.statistics(mean, var, self.eps)
        return norms.batch_backward(dy, x, mean, rstd, self.weight, by_batch, self.layout)


class BatchNorm1d(BatchNorm):
    """Batch norm of inputs of shape (N, C) or (N, C, L), or (N, L, C) in layout NHWC.

    In training each channel is normalised by the batch's mean and biased variance, in inference by
    the running ones; see `numbanorm.batch_norm`. Parameters, attributes and errors are those of
    `numbanorm.layers.channel_norm.ChannelNorm`, which is what they are in torch.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> layer = nbn.BatchNorm1d(3)
    >>> layer
    BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    >>> y = layer(np.ones((4, 3), np.float32))
    >>> layer.backward(y).shape, sorted(layer.gradients())
    ((4, 3), ['bias', 'weight'])
    """

    _ranks = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch norm of inputs of shape (N, C, H, W), or (N, H, W, C) in layout NHWC.

    In training each channel is normalised by the batch's mean and biased variance, in inference by
    the running ones; see `numbanorm.batch_norm`. Parameters, attributes and errors are those of
    `numbanorm.layers.channel_norm.ChannelNorm`, which is what they are in torch.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> layer = nbn.BatchNorm2d(3)
    >>> layer
    BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    >>> y = layer(np.ones((2, 3, 8, 8), np.float32))
    >>> layer.backward(y).shape, sorted(layer.gradients())
    ((2, 3, 8, 8), ['bias', 'weight'])
    """

    _ranks = (4,)


class BatchNorm3d(BatchNorm):
    """Batch norm of inputs of shape (N, C, D, H, W), or (N, D, H, W, C) in layout NHWC.

    In training each channel is normalised by the batch's mean and biased variance, in inference by
    the running ones; see `numbanorm.batch_norm`. Parameters, attributes and errors are those of
    `numbanorm.layers.channel_norm.ChannelNorm`, which is what they are in torch.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> layer = nbn.BatchNorm3d(3)
    >>> layer
    BatchNorm3d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    >>> y = layer(np.ones((2, 3, 4, 8, 8), np.float32))
    >>> layer.backward(y).shape, sorted(layer.gradients())
    ((2, 3, 4, 8, 8), ['bias', 'weight'])
    """

    _ranks = (5,)
