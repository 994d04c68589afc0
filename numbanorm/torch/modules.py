"""Modules: subclasses of torch.nn's, whose arguments, attributes and state they have."""

from __future__ import annotations

import torch
import torch.nn.functional as G
from torch import Tensor, nn
from torch.jit import is_scripting

from numbanorm.torch import functional as F


def be_leaf(module: nn.Module) -> None:
    """Let fx record a module as one call, as it does those of torch.nn, and trace no further.

    It goes by the `__module__` of the module, which may have one beside its class's.
    """
    module.__module__ = nn.__name__


class Leaf(nn.Module):
    """A module that is a leaf to fx; classes made of these are not, as those made of torch's."""

    def __init__(self) -> None:
        # torch's constructors, which come before this one, call it without arguments.
        super().__init__()
        if type(self).__module__ == __name__:
            be_leaf(self)


class _BatchNorm(nn.modules.batchnorm._BatchNorm):
    """The forward pass of batch norm."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input normalised, and in training update the running statistics."""
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        momentum = 0.0 if self.momentum is None else self.momentum
        updating = self.training and self.track_running_stats
        if updating and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        used = updating or not self.training
        mean, var = self.running_mean if used else None, self.running_var if used else None
        return self._normalized(input, mean, var, by_batch, momentum)

    def _normalized(
        self,
        input: Tensor,
        mean: Tensor | None,
        var: Tensor | None,
        by_batch: bool,
        momentum: float,
    ) -> Tensor:
        """Return the input normalised by given statistics or, `by_batch`, its own."""
        weight, bias = self.weight, self.bias
        if is_scripting():
            y = G.batch_norm(input, mean, var, weight, bias, by_batch, momentum, self.eps)
        else:
            y = F.batch_norm(input, mean, var, weight, bias, by_batch, momentum, self.eps)
        return y


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d, Leaf):
    """`torch.nn.BatchNorm1d` on numbanorm's kernels.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> layer = nt.BatchNorm1d(64)
    >>> isinstance(layer, torch.nn.BatchNorm1d), layer(torch.randn(1024, 64)).shape
    (True, torch.Size([1024, 64]))
    """


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d, Leaf):
    """`torch.nn.BatchNorm2d` on numbanorm's kernels."""


class BatchNorm3d(_BatchNorm, nn.BatchNorm3d, Leaf):
    """`torch.nn.BatchNorm3d` on numbanorm's kernels."""


class _InstanceNorm(nn.modules.instancenorm._InstanceNorm):
    """The forward pass of instance norm, once torch has checked the input."""

    def _apply_instance_norm(self, input: Tensor) -> Tensor:
        mean, var, weight, bias = self.running_mean, self.running_var, self.weight, self.bias
        own = self.training or not self.track_running_stats
        momentum = 0.0 if self.momentum is None else self.momentum
        if is_scripting():
            y = G.instance_norm(input, mean, var, weight, bias, own, momentum, self.eps)
        else:
            y = F.instance_norm(input, mean, var, weight, bias, own, momentum, self.eps)
        return y


class InstanceNorm1d(_InstanceNorm, nn.InstanceNorm1d, Leaf):
    """`torch.nn.InstanceNorm1d` on numbanorm's kernels."""


class InstanceNorm2d(_InstanceNorm, nn.InstanceNorm2d, Leaf):
    """`torch.nn.InstanceNorm2d` on numbanorm's kernels."""


class InstanceNorm3d(_InstanceNorm, nn.InstanceNorm3d, Leaf):
    """`torch.nn.InstanceNorm3d` on numbanorm's kernels."""


class GroupNorm(nn.GroupNorm, Leaf):
    """`torch.nn.GroupNorm` on numbanorm's kernels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input normalised."""
        if is_scripting():
            y = G.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
        else:
            y = F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
        return y


class LayerNorm(nn.LayerNorm, Leaf):
    """`torch.nn.LayerNorm` on numbanorm's kernels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the input normalised."""
        if is_scripting():
            y = G.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)
        else:
            y = F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)
        return y


class RMSNorm(nn.RMSNorm, Leaf):
    """`torch.nn.RMSNorm` on numbanorm's kernels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the input normalised."""
        if is_scripting():
            y = G.rms_norm(x, self.normalized_shape, self.weight, self.eps)
        else:
            y = F.rms_norm(x, self.normalized_shape, self.weight, self.eps)
        return y
