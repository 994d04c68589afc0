"""The norms as operators of torch, for graphs: what `torch.compile` and `torch.export` see.

``torch.ops.numbanorm.normalize``, its gradients, and the update of running statistics. Eager calls
go around them (`autograd`): an operator costs 10 us more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from numbanorm.calls import operations
from numbanorm.torch import norms
from numbanorm.torch.arrays import COMPUTED, array, optional, tensor
from numbanorm.torch.norms import Norm

# --- operators ----------------------------------------------------------------------------------


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
    running = (running_mean, running_var)
    # Kernels write to what is contiguous.
    kept = [None if one is None else one.contiguous() for one in running]
    arrays = optional(kept[0]), optional(kept[1])
    operations.update_running(*arrays, None, array(mean), array(var), count, momentum)
    for one, new in zip(running, kept):
        if one is not None and new is not None and new is not one:
            one.copy_(new)


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

# --- functions of graphs ------------------------------------------------------------------------


def takes(x: Tensor, eps: float | None, *parameters: Tensor | None) -> bool:
    """Return whether a call of a graph is one for the operators."""
    if x.device.type != "cpu" or x.dtype not in COMPUTED or x.dim() < 2:
        return False
    dtypes = x.dtype, COMPUTED[x.dtype]
    return (
        all(one is None or one.dtype in dtypes for one in parameters)
        and (eps is None or eps > 0.0)
        and not torch._C._are_functorch_transforms_active()
    )


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """Return batch norm; see `functional.batch_norm`."""
    running = (running_mean, running_var)
    given = running_mean is not None and running_var is not None
    if training:
        # torch refuses one value per channel.
        given = x.numel() > x.shape[1]
    if not (given and takes(x, eps, weight, bias, *running)):
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
    mean, var = (None, None) if training else (running_mean, running_var)
    y: Tensor
    y, mean, var = normalize(x, weight, bias, mean, var, "batch", [], eps)
    if training and (running_mean is not None or running_var is not None):
        count = x.numel() // x.shape[1]
        update_running(running_mean, running_var, mean, var, count, momentum)
    return y


def instance_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
) -> Tensor:
    """Return instance norm by x's own statistics; see `functional.instance_norm`."""
    several = x.dim() > 2 and x.shape[2:].numel() > 1
    if not (several and takes(x, eps, weight, bias, running_mean, running_var)):
        return F.instance_norm(x, running_mean, running_var, weight, bias, True, momentum, eps)
    y: Tensor
    y, mean, var = normalize(x, weight, bias, None, None, "instance", [], eps)
    if running_mean is not None or running_var is not None:
        count = x.numel() // (x.shape[0] * x.shape[1])
        update_running(running_mean, running_var, mean, var, count, momentum)
    return y


def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Return group norm; see `functional.group_norm`."""
    if not takes(x, eps, weight, bias):
        return F.group_norm(x, num_groups, weight, bias, eps)
    y: Tensor = normalize(x, weight, bias, None, None, "group", [num_groups], eps)[0]
    return y


def layer_norm(
    x: Tensor, sizes: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Return layer norm; see `functional.layer_norm`."""
    if not takes(x, eps, weight, bias):
        return F.layer_norm(x, list(sizes), weight, bias, eps)
    y: Tensor = normalize(x, weight, bias, None, None, "layer", list(sizes), eps)[0]
    return y


def rms_norm(x: Tensor, sizes: Sequence[int], weight: Tensor | None, eps: float | None) -> Tensor:
    """Return RMS norm; see `functional.rms_norm`."""
    if not takes(x, eps, weight):
        return F.rms_norm(x, list(sizes), weight, eps)
    if eps is None:
        eps = torch.finfo(COMPUTED[x.dtype]).eps
    y: Tensor = normalize(x, weight, None, None, None, "rms", list(sizes), eps)[0]
    return y
