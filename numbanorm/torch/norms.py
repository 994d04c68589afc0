"""What each norm does with tensors: one function forward and one backward for all five.

A `Norm` says which one it is, hashable, so that it can be part of a graph. Statistics are float64.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from numbanorm.calls import finishing, operations, shapes
from numbanorm.calls.backward_call import BackwardCall
from numbanorm.calls.call import Call
from numbanorm.torch.arrays import COMPUTED, array, optional, tensor
from numbanorm.torch.threads import as_torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.plan.plan import Plan

    Array = NDArray[Any]


class Norm(NamedTuple):
    """A norm and its options.

    Attributes
    ----------
    kind : str
        "batch", "instance", "group", "layer" or "rms".
    sizes : tuple of int
        The number of groups, or the normalized shape; empty for others.
    eps : float
        Added to variances.
    """

    kind: str
    sizes: tuple[int, ...]
    eps: float

    def plan(self, shape: tuple[int, ...]) -> Plan:
        """Return what is to be done with an x of a shape; ValueError where it can't be."""
        if self.kind == "batch":
            return shapes.batch(shape, "NCHW", False)
        if self.kind == "instance":
            return shapes.instance(shape, "NCHW", False)
        if self.kind == "group":
            return shapes.group(shape, "NCHW", self.sizes[0], False)
        return shapes.rows(shape, self.sizes)

    @property
    def centred(self) -> bool:
        """Whether the mean is subtracted."""
        return self.kind != "rms"

    @property
    def of_rows(self) -> bool:
        """Whether the last axes are normalised, which are contiguous."""
        return self.kind in ("layer", "rms")


def lies_in_order(norm: Norm, x: Tensor) -> bool:
    """Return whether x lies in its order of axes, or images lie channels last.

    A result then lies so too, as torch's does. Others are contiguous, those of sequences with their
    channels last among them: who calls `view` on them counts on it.
    """
    if x.is_contiguous():
        return True
    return not norm.of_rows and x.dim() > 3 and x.movedim(1, -1).is_contiguous()


def in_order(norm: Norm, x: Tensor) -> Tensor:
    """Return x, or a copy that kernels read as it lies: torch makes it on all threads."""
    return x if lies_in_order(norm, x) else x.contiguous()


def result_like(norm: Norm, x: Tensor) -> Tensor:
    """Return where a result goes: memory of torch's, as x lies if that is in order."""
    kept = not norm.of_rows and lies_in_order(norm, x)
    kind = torch.preserve_format if kept else torch.contiguous_format
    return torch.empty_like(x, memory_format=kind)


def is_flat(x: Tensor, *others: Tensor | None) -> bool:
    """Return whether kernels take x, which has elements, and parameters as they lie, unchecked."""
    if not (x.is_contiguous() and x.numel()):
        return False
    kind = COMPUTED[x.dtype]
    return all(one is None or (one.dtype is kind and one.is_contiguous()) for one in others)


def flat(tensor: Tensor | None) -> Any:
    """Return the memory of a contiguous tensor as an array in 1-d, or None for None."""
    return None if tensor is None else array(tensor).ravel()


def forward(
    norm: Norm,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Array, Array]:
    """Return y and the means and variances it was normalised by: x's own, or given ones."""
    y, x = result_like(norm, x), in_order(norm, x)
    plan = norm.plan(tuple(x.shape))
    with as_torch():
        if is_flat(x, weight, bias, *(running or ())):
            given = flat(y), flat(x), flat(weight), flat(bias)
            if running is None:
                own = norm.eps, plan.view, plan.statistics, norm.centred
                return y, *operations.normalize(*given, *own)
            mean, var = map(flat, running)
            operations.affine(*given, mean, var, norm.eps, plan.view)
            return y, mean, var
        used = (None, None) if running is None else map(array, running)
        call = Call(array(x), plan, optional(weight), optional(bias), array(y), None, *used)
        if running is None:
            _, mean, var = call.normalize(norm.eps, norm.centred)
            return y, mean, var
        call.affine(call.running_mean, call.running_var, norm.eps)
    return y, call.running_mean, call.running_var


def update_running(
    running: tuple[Tensor | None, Tensor | None],
    mean: Array,
    var: Array,
    count: int,
    momentum: float,
) -> None:
    """Move running statistics to those of a batch, of `count` values."""
    # Kernels write to what is contiguous.
    kept = [None if one is None else one.contiguous() for one in running]
    arrays = optional(kept[0]), optional(kept[1])
    finishing.update_running(*arrays, None, mean, var, count, momentum)
    for one, new in zip(running, kept):
        if one is not None and new is not None and new is not one:
            one.copy_(new)


def saved(norm: Norm, mean: Array, var: Array) -> tuple[Tensor, Tensor]:
    """Return the statistics that `backward` needs, copies."""
    mean, rstd = finishing.statistics(mean, var, norm.eps)
    return tensor(mean), tensor(rstd)


def backward(
    norm: Norm,
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    own: bool,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients of x, weight and bias, those that are wanted.

    `own` says whether the statistics are x's own, which depend on it.
    """
    x = in_order(norm, x)
    dy = dy if dy.stride() == x.stride() else result_like(norm, x).copy_(dy)
    plan = norm.plan(tuple(x.shape))
    with as_torch():
        if own and wanted[0] and is_flat(x, weight) and dy.is_contiguous():
            dx, means = result_like(norm, x), flat(mean if norm.centred else mean[:0])
            given = flat(dx), flat(dy), flat(x), flat(weight), means, flat(rstd), plan.view
            dweight, dbias = operations.backward(*given, own, norm.centred)
        else:
            dx, dweight, dbias = _gradients(norm, dy, x, plan, weight, mean, rstd, own, wanted)
    return (
        dx,
        parameter(dweight, plan, x, weight) if wanted[1] else None,
        parameter(dbias, plan, x, weight) if wanted[2] else None,
    )


def _gradients(
    norm: Norm,
    dy: Tensor,
    x: Tensor,
    plan: Plan,
    weight: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    own: bool,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor | None, Array, Array]:
    """Return the gradient of x, if it is wanted, and those of the parameters, which it may cost."""
    means = array(mean) if norm.centred else None
    given = array(dy), array(x), plan, means, array(rstd), optional(weight)
    if not wanted[0]:
        call = BackwardCall(*given, None, None, norm.centred)
        if norm.kind == "batch":
            dbias, dweight = call.sums()
            return None, dweight, dbias
        _, dweight, dbias = call.gradients(own)
        return None, dweight, dbias
    dx = result_like(norm, x)
    call = BackwardCall(*given, array(dx), None, norm.centred)
    if own or any(wanted[1:]):
        _, dweight, dbias = call.gradients(own)
        return dx, dweight, dbias
    # It is rstd * weight * dy: no sum is needed.
    nothing = np.zeros((2, math.prod(plan.parameters)))
    call.by_sums(nothing, 1, False)
    return dx, *nothing


def parameter(values: Array, plan: Plan, x: Tensor, weight: Tensor | None) -> Tensor:
    """Return a gradient of a parameter's shape and dtype."""
    dtype = x.dtype if weight is None else weight.dtype
    return tensor(values.reshape(plan.parameters)).to(dtype)


def by_torch(
    norm: Norm,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Return what torch's own function gives, to be differentiated any number of times."""
    own = running is None
    mean, var = (None, None) if running is None else running
    if norm.kind == "batch":
        return F.batch_norm(x, mean, var, weight, bias, own, 0.0, norm.eps)
    if norm.kind == "instance":
        return F.instance_norm(x, mean, var, weight, bias, own, 0.0, norm.eps)
    if norm.kind == "group":
        return F.group_norm(x, norm.sizes[0], weight, bias, norm.eps)
    if norm.kind == "layer":
        return F.layer_norm(x, list(norm.sizes), weight, bias, norm.eps)
    return F.rms_norm(x, list(norm.sizes), weight, norm.eps)
