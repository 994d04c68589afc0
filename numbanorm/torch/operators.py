"""The norms as operators of torch, for graphs: what `torch.compile` and `torch.export` see.

``torch.ops.numbanorm.normalize``, its gradients, and the update of running statistics. Eager calls
go around them (`autograd`): an operator costs 10 us more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from numbanorm.torch import norms
from numbanorm.torch.arrays import COMPUTED, array, tensor
from numbanorm.torch.norms import Norm


@torch.library.custom_op("numbanorm::normalize", mutates_args=(), device_types="cpu")
def normalize(
    x: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    mean: torch.Tensor | None,
    var: torch.Tensor | None,
    kind: str,
    sizes: Sequence[int],
    eps: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return y and the means and variances it was normalised by, float64: x's, or those given."""
    norm, running = Norm(kind, tuple(sizes), eps), None
    if mean is not None and var is not None:
        running = mean, var
    y, found, square = norms.forward(norm, x, weight, bias, running)
    if running is not None:
        found, square = found.astype("float64"), square.astype("float64")
    return y, tensor(found), tensor(square)


@normalize.register_fake
def _(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    kind: str,
    sizes: Sequence[int],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    norm = Norm(kind, tuple(sizes), eps)
    shape: tuple[Any, ...] = (x.shape[1],) if kind == "batch" else ()
    if kind in ("instance", "group"):
        shape = x.shape[0], x.shape[1] if kind == "instance" else sizes[0]
    elif norm.of_rows:
        shape = (*x.shape[: x.dim() - len(sizes)], *[1] * len(sizes))
    found = x.new_empty(shape, dtype=torch.float64)
    return norms.result_like(norm, x), found, torch.empty_like(found)


@torch.library.custom_op("numbanorm::gradients", mutates_args=(), device_types="cpu")
def gradients(
    dy: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor | None,
    mean: torch.Tensor,
    var: torch.Tensor,
    own: bool,
    wanted: Sequence[bool],
    kind: str,
    sizes: Sequence[int],
    eps: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of x, weight and bias; those not wanted are empty."""
    norm = Norm(kind, tuple(sizes), eps)
    found = norms.saved(norm, array(mean), array(var))
    a, b, c = wanted
    dx, dweight, dbias = norms.backward(norm, dy, x, weight, *found, own, (a, b, c))
    return tuple(x.new_empty(0) if one is None else one for one in (dx, dweight, dbias))  # type: ignore[return-value]


@gradients.register_fake
def _(
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    var: Tensor,
    own: bool,
    wanted: Sequence[bool],
    kind: str,
    sizes: Sequence[int],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    norm = Norm(kind, tuple(sizes), eps)
    shape = tuple(sizes) if norm.of_rows else (x.shape[1],)
    dtype = x.dtype if weight is None else weight.dtype
    dx = norms.result_like(norm, x) if wanted[0] else x.new_empty(0)
    parameters = [x.new_empty(shape, dtype=dtype) if one else x.new_empty(0) for one in wanted[1:]]
    return dx, parameters[0], parameters[1]


@torch.library.custom_op(
    "numbanorm::update_running", mutates_args=("running_mean", "running_var"), device_types="cpu"
)
def update_running(
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    mean: torch.Tensor,
    var: torch.Tensor,
    count: int,
    momentum: float,
) -> None:
    """Move running statistics to those of a batch, of `count` values."""
    norms.update_running((running_mean, running_var), array(mean), array(var), count, momentum)


@update_running.register_fake
def _(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    mean: Tensor,
    var: Tensor,
    count: int,
    momentum: float,
) -> None:
    return None


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    x, weight, bias, mean, _, *ctx.norm = inputs
    ctx.save_for_backward(x, weight, *output[1:])
    ctx.own, ctx.bias_dtype = mean is None, None if bias is None else bias.dtype
    ctx.mark_non_differentiable(*output[1:])


def _differentiate(ctx: Any, dy: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
    wanted = list(ctx.needs_input_grad[:3])
    found = gradients(dy, *ctx.saved_tensors, ctx.own, wanted, *ctx.norm)
    dx, dweight, dbias = (one if want else None for one, want in zip(found, wanted))
    if dbias is not None:
        dbias = dbias.to(ctx.bias_dtype)
    return dx, dweight, dbias, None, None, None, None, None


normalize.register_autograd(_differentiate, setup_context=_keep)


def takes(x: Tensor, *parameters: Tensor | None) -> bool:
    """Return whether a call of a graph is one for the operators."""
    if x.device.type != "cpu" or x.dtype not in COMPUTED:
        return False
    dtypes = x.dtype, COMPUTED[x.dtype]
    known = all(one is None or one.dtype in dtypes for one in parameters)
    return known and not torch._C._are_functorch_transforms_active()
