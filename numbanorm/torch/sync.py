"""Batch norm over the samples of all processes of a group of `torch.distributed`, on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from numbanorm.calls import summaries
from numbanorm.calls.backward_call import BackwardCall
from numbanorm.collective import added, merged
from numbanorm.torch import norms
from numbanorm.torch.arrays import COMPUTED, array, optional, tensor
from numbanorm.torch.autograd import is_plain, update_running
from numbanorm.torch.convert import swap_class
from numbanorm.torch.modules import _BatchNorm
from numbanorm.torch.norms import Norm
from numbanorm.torch.threads import as_torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Model = TypeVar("Model", bound=nn.Module)


class _Group:
    """The processes of a group, as a `numbanorm.collective.Collective`."""

    def __init__(self, group: Any) -> None:
        self.group = group

    def all_gather(self, record: NDArray[np.uint8]) -> NDArray[np.uint8]:
        mine = torch.from_numpy(record)
        found = [torch.empty_like(mine) for _ in range(dist.get_world_size(self.group))]
        dist.all_gather(found, mine, self.group)
        return torch.stack(found).numpy()


class _Normalize(torch.autograd.Function):
    """Batch norm by the statistics of all processes; one collective forward and one backward."""

    @staticmethod
    def forward(
        ctx: Any,
        group: _Group,
        eps: float,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        found: list[Any],
    ) -> Tensor:
        """Return y, and put the mean, the variance and the count into `found`."""
        norm = Norm("batch", (), eps)
        with as_torch():
            known = merged(group, x.shape[1], lambda: summaries.of_array(array(x), "NCHW"))
        if known.total == 1:
            raise ValueError(f"Expected more than 1 value per channel in all, got {x.shape}")
        mean, var = summaries.moments(known, 0.0)
        y, _, _ = norms.forward(norm, x, weight, bias, (tensor(mean), tensor(var)))
        ctx.save_for_backward(x, weight, *norms.saved(norm, mean, var))
        ctx.norm, ctx.group, ctx.count = norm, group, known.total
        ctx.bias_dtype = None if bias is None else bias.dtype
        found += [mean, var, known.total]
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients of this process's x, and its parts of those of the parameters."""
        x, weight, mean, rstd = ctx.saved_tensors
        plan, dx = ctx.norm.plan(tuple(x.shape)), norms.result_like(ctx.norm, x)
        calls: list[BackwardCall] = []
        own: list[Array] = []

        def sums() -> Array:
            given = array(mean), array(rstd), optional(weight)
            calls.append(BackwardCall(array(dy), array(x), plan, *given, array(dx)))
            own.append(calls[0].sums())
            return own[0]

        with as_torch():
            totals = added(ctx.group, (2, x.shape[1]), sums)
            calls[0].by_sums(totals, ctx.count, True)
        wanted, (dbias, dweight) = ctx.needs_input_grad[3:5], own[0]
        return (
            None,
            None,
            dx,
            norms.parameter(dweight, plan, x, weight) if wanted[0] else None,
            norms.parameter(dbias, plan, x, weight).to(ctx.bias_dtype) if wanted[1] else None,
            None,
        )


class SyncBatchNorm(_BatchNorm, nn.SyncBatchNorm):
    """`torch.nn.SyncBatchNorm` for CPU tensors too, over gloo or another backend of the CPU.

    Each training call takes one collective operation, and so does its backward pass. All processes
    have the same statistics, to the last bit. The gradients of weight and bias are of this
    process's samples, as torch's, for DistributedDataParallel to average.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> nt.SyncBatchNorm(8)(torch.randn(4, 8, 5, 5)).shape
    torch.Size([4, 8, 5, 5])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the input normalised, and in training update the running statistics."""
        dtypes = (input.dtype, COMPUTED.get(input.dtype, input.dtype))
        tensors = self.weight, self.bias, self.running_mean, self.running_var
        known = input.dtype in COMPUTED and is_plain(input, dtypes)
        if not (known and all(is_plain(one, dtypes) for one in tensors)):
            return nn.SyncBatchNorm.forward(self, input)
        self._check_non_zero_input_channels(input)
        return super().forward(input)

    def _normalized(
        self,
        input: Tensor,
        mean: Tensor | None,
        var: Tensor | None,
        by_batch: bool,
        momentum: float,
    ) -> Tensor:
        group = self._group() if self.training else None
        if group is None:
            return super()._normalized(input, mean, var, by_batch, momentum)
        found: list[Any] = []
        y: Tensor = _Normalize.apply(  # type: ignore[no-untyped-call]
            group, self.eps, input, self.weight, self.bias, found
        )
        batch_mean, batch_var, count = found
        if count:
            update_running((mean, var), batch_mean, batch_var, count, momentum)
        return y

    def _group(self) -> _Group | None:
        """Return the processes to ask, or None where there is but this one."""
        if not (dist.is_available() and dist.is_initialized()):
            return None
        group = self.process_group or dist.group.WORLD
        return _Group(group) if dist.get_world_size(group) > 1 else None


def convert_sync_batchnorm(model: Model, process_group: Any = None) -> Model:
    """Let every batch norm of a model be over all processes, in place; returns the model.

    Parameters
    ----------
    model : torch.nn.Module
        With batch norms of torch's, or of numbanorm's.
    process_group : optional
        The processes; all if not given.

    Returns
    -------
    torch.nn.Module
        The same.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> model = torch.nn.Sequential(torch.nn.BatchNorm1d(3))
    >>> nt.convert_sync_batchnorm(model)[0].process_group is None
    True
    """
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            swap_class(module, SyncBatchNorm)
            module.process_group = process_group  # type: ignore[assignment]
    return model
