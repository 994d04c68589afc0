"""Modules: subclasses of torch.nn's, whose arguments, attributes and state they have."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from numbanorm.torch import functional as F


class _BatchNorm(nn.modules.batchnorm._BatchNorm):
    """The forward pass of batch norm."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input normalised, and in training update the running statistics."""
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        updating = self.training and self.track_running_stats
        if updating and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        used = updating or not self.training
        mean, var = (self.running_mean, self.running_var) if used else (None, None)
        return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` on numbanorm's kernels.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> layer = nt.BatchNorm1d(64)
    >>> isinstance(layer, torch.nn.BatchNorm1d), layer(torch.randn(1024, 64)).shape
    (True, torch.Size([1024, 64]))
    """


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` on numbanorm's kernels."""


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` on numbanorm's kernels."""


class _InstanceNorm(nn.modules.instancenorm._InstanceNorm):
    """The forward pass of instance norm, once torch has checked the input."""

    def _apply_instance_norm(self, input: Tensor) -> Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d):
    """`torch.nn.InstanceNorm1d` on numbanorm's kernels."""


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d):
    """`torch.nn.InstanceNorm2d` on numbanorm's kernels."""


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d):
    """`torch.nn.InstanceNorm3d` on numbanorm's kernels."""


class GroupNorm(nn.GroupNorm):
    """`torch.nn.GroupNorm` on numbanorm's kernels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input normalised."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


class LayerNorm(nn.LayerNorm):
    """`torch.nn.LayerNorm` on numbanorm's kernels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input normalised."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.RMSNorm):
    """`torch.nn.RMSNorm` on numbanorm's kernels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input normalised."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)
