"""Instance norm as layers, for inputs of rank 2 and 3, 3 and 4, and 4 and 5."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, finishing, norms
from numbanorm.layers import checks as rules
from numbanorm.layers.channel_norm import ChannelNorm

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from numbanorm._types import Layout


class InstanceNorm(ChannelNorm):
    """Instance norm of inputs of the ranks a subclass names: of one sample, and of a batch."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        layout: Layout = "NCHW",
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, layout=layout, dtype=dtype
        )

    def __call__(self, x: ArrayLike) -> NDArray[Any]:
        """Return x normalised, and in training update the running statistics, if there are any.

        Parameters
        ----------
        x : array_like, shape (N, C, ...) or (C, ...), or with C last, the layer's dtype
            A batch, or one sample. In training it is kept for `backward`, not copied: don't
            change it until then. Where the layer has no arrays, C may differ from num_features,
            with a warning, as in torch.

        Returns
        -------
        y : ndarray, x's shape and dtype
            As `numbanorm.instance_norm` gives it.

        Raises
        ------
        ValueError
            If x's shape is wrong, or a channel of a sample has one value and no running
            statistics serve. The layer is as it was before then.
        TypeError
            If x's dtype is wrong. The layer is as it was before then.
        """
        x = checks.data("x", x)
        single = x.ndim == self._ranks[0]
        batch = x[np.newaxis] if single else x
        exact = bool(self.state_dict())
        found = rules.input_channels(
            batch, self._ranks[1:], self.num_features, self.dtype, self.layout, exact
        )
        if found != self.num_features:
            warnings.warn(
                f"x has {found} channels, not the layer's {self.num_features}, which it does not "
                "use without affine and track_running_stats",
                stacklevel=2,
            )
        by_input = self.training or not self.track_running_stats
        y, mean, var = norms.instance_forward(
            batch,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            by_input,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
            self.layout,
        )
        if self._saves():
            self._saved = x, mean, var, by_input
        return y[0] if single else y

    def _backward(
        self, dy: ArrayLike, *saved: Any
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        x, mean, var, by_input = saved
        dy = checks.like("dy", dy, x)
        single = x.ndim == self._ranks[0]
        x, dy = (x[np.newaxis], dy[np.newaxis]) if single else (x, dy)
        mean, rstd = finishing.statistics(mean, var, self.eps)
        dx, dweight, dbias = norms.instance_backward(
            dy, x, mean, rstd, self.weight, by_input, self.layout
        )
        return dx[0] if single else dx, dweight, dbias


class InstanceNorm1d(InstanceNorm):
    """Instance norm of inputs of shape (N, C, L) or (C, L); (N, L, C) or (L, C) in layout NHWC.

    Each channel of each sample is normalised by its own mean and biased variance, or in inference
    with ``track_running_stats`` by the running ones; see `numbanorm.instance_norm`. Parameters,
    attributes and errors are those of `numbanorm.layers.channel_norm.ChannelNorm`, but affine and
    track_running_stats are off if not given; num_batches_tracked stays 0, and a momentum of None
    leaves the running statistics alone, as in torch.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> layer = nbn.InstanceNorm1d(3)
    >>> layer(np.ones((2, 3, 8), np.float32)).shape, layer(np.ones((3, 8), np.float32)).shape
    ((2, 3, 8), (3, 8))
    """

    _ranks = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """Instance norm of inputs of shape (N, C, H, W) or (C, H, W), or with C last in layout NHWC.

    Otherwise like `InstanceNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> layer = nbn.InstanceNorm2d(3, affine=True)
    >>> y = layer(np.ones((2, 3, 8, 8), np.float32))
    >>> layer.backward(y).shape, sorted(layer.gradients())
    ((2, 3, 8, 8), ['bias', 'weight'])
    """

    _ranks = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """Instance norm of inputs of shape (N, C, D, H, W) or (C, D, H, W), or with C last in NHWC.

    Otherwise like `InstanceNorm1d`.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> layer = nbn.InstanceNorm3d(3)
    >>> layer
    InstanceNorm3d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)
    >>> layer(np.ones((2, 3, 4, 8, 8), np.float32)).shape
    (2, 3, 4, 8, 8)
    """

    _ranks = (4, 5)
