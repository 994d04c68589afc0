"""Norms as torch's autograd sees them, and which calls are for torch's own functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.jit import is_tracing  # type: ignore[attr-defined]

from numbanorm.torch import norms, operators
from numbanorm.torch.arrays import COMPUTED
from numbanorm.torch.norms import Norm

# Smaller inputs are faster in torch: a call here takes 25 us more than torch's, backward as much
# again, and three times that where other work has emptied the caches.
# Measured: two threads of an EPYC (Zen 5), 2026-11-27. Batch norm's forward and backward pass
# together took 1.9 of torch's time with 33,000 elements, 1.0 with 131,000, 0.7 with 524,000, RMS
# norm's 1.0 with 49,000. By given statistics, with channels last, and of groups and rows torch is
# fast in a cache: 1.1 to 1.6 of its time with 2 million, 0.8 to 1.1 with 4 million.
# Batch norm of bfloat16 takes 1.3 of its time with 248,000 elements, 0.9 with 1 million.
_LEAST = {"batch": 1 << 17, "instance": 1 << 17, "rms": 1 << 16}
_LEAST_OF_16_BITS = {"batch": 1 << 20, "instance": 1 << 20, "rms": 1 << 16}
_LEAST_OTHERWISE = 1 << 22

_PLAIN = (torch.Tensor, torch.nn.Parameter)

_Key = torch._C.DispatchKey
# What torch calls for an ordinary tensor, or one of inference mode: others are batched, wrapped,
# nested, sparse, without memory, on another device.
_INFERENCE = torch._C.DispatchKeySet(_Key.CPU).add(_Key.AutocastCPU)
_KEYS = (
    _INFERENCE.add(_Key.ADInplaceOrView).add(_Key.AutogradCPU).raw_repr(),
    _INFERENCE.raw_repr(),
)


def is_plain(tensor: Tensor | None, dtypes: tuple[torch.dtype, ...]) -> bool:
    """Return whether a tensor is an ordinary one in the CPU's memory, of one of some dtypes."""
    if tensor is None:
        return True
    return (
        type(tensor) in _PLAIN
        and tensor.dtype in dtypes
        and torch._C._dispatch_keys(tensor).raw_repr() in _KEYS
    )


def is_ordinary() -> bool:
    """Return whether calls are plain eager ones: no transform, mode, tracing or dual numbers."""
    return (
        torch._C._functorch.peek_interpreter_stack() is None  # type: ignore[attr-defined]
        and torch._C._len_torch_dispatch_stack() == 0
        and torch._C._len_torch_function_stack() == 0
        and forward_ad._current_level < 0
        and not is_tracing()  # type: ignore[no-untyped-call]
    )


def least_elements(kind: str, x: Tensor, own: bool) -> int:
    """Return how many elements make a call one for the kernels: by x's `own` statistics, or not."""
    if own and x.is_contiguous():
        least = _LEAST if x.element_size() > 2 else _LEAST_OF_16_BITS
        return least.get(kind, _LEAST_OTHERWISE)
    return _LEAST_OTHERWISE


def takes(kind: str, x: Tensor, *parameters: Tensor | None, own: bool = True) -> bool:
    """Return whether a call is one for the kernels; what is not is torch's to do, or to refuse."""
    if torch.compiler.is_compiling():
        return operators.takes(x, *parameters)
    if type(x) not in _PLAIN or x.dtype not in COMPUTED:
        return False
    if x.numel() < least_elements(kind, x, own):
        return False
    dtypes = (x.dtype, COMPUTED[x.dtype])
    return (
        is_plain(x, dtypes[:1]) and all(is_plain(one, dtypes) for one in parameters)
    ) and is_ordinary()


class Normalize(torch.autograd.Function):
    """A norm by x's own statistics, or given ones, which `running` holds."""

    @staticmethod
    def forward(
        ctx: Any,
        norm: Norm,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running: tuple[Tensor, Tensor] | None,
        found: list[Any],
    ) -> Tensor:
        """Return y, and put the statistics into `found`."""
        y, mean, var = norms.forward(norm, x, weight, bias, running)
        found += [mean, var]
        ctx.save_for_backward(x, weight, *norms.saved(norm, mean, var))
        ctx.norm, ctx.own = norm, running is None
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.set_materialize_grads(False)
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Return the gradients that are needed."""
        if dy is None:
            return (None,) * 6
        x, weight, mean, rstd = ctx.saved_tensors
        wanted = ctx.needs_input_grad[1:4]
        given = dy, x, weight, mean, rstd, ctx.own, wanted
        if torch.is_grad_enabled() or not takes_gradient(dy, x):
            dx, dweight, dbias = again(ctx.norm, *given)
        else:
            dx, dweight, dbias = norms.backward(ctx.norm, *given)
        if dbias is not None:
            dbias = dbias.to(ctx.bias_dtype)
        return None, dx, dweight, dbias, None, None


def takes_gradient(dy: Tensor, x: Tensor) -> bool:
    """Return whether a gradient is one for the kernels."""
    return is_plain(dy, (x.dtype,)) and is_ordinary()


def again(
    norm: Norm,
    dy: Tensor,
    x: Tensor,
    weight: Tensor | None,
    mean: Tensor,
    rstd: Tensor,
    own: bool,
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return the gradients as functions of dy, x and weight, which can be differentiated again."""
    differentiable = torch.is_grad_enabled()
    with torch.enable_grad():
        # What is beside x is of one dtype to torch.
        dtype = COMPUTED[x.dtype] if weight is None else weight.dtype
        # It serves as well as the bias itself, whose value no gradient depends on.
        shape = norm.plan(tuple(x.shape)).parameters
        bias = x.new_zeros(shape, dtype=dtype, requires_grad=True) if wanted[2] else None
        inputs = [one for one, want in zip((x, weight, bias), wanted) if want and one is not None]
        running = None
        if not own:
            var = rstd.pow(-2) - norm.eps
            running = mean.to(dtype), var.to(dtype)
        if norm.kind == "rms":
            bias = None
        y = norms.by_torch(norm, x, weight, bias, running)
        found = list(torch.autograd.grad(y, inputs, dy, create_graph=differentiable))
    gradients = [found.pop(0) if want else None for want in wanted]
    return gradients[0], gradients[1], gradients[2]


def update_running(
    running: tuple[Tensor | None, Tensor | None], mean: Any, var: Any, count: int, momentum: float
) -> None:
    """Move running statistics, if there are any, to those that `normalize` returned."""
    if running[0] is None and running[1] is None:
        return
    if torch.compiler.is_compiling():
        operators.update_running(*running, mean, var, count, momentum)
    else:
        norms.update_running(running, mean, var, count, momentum)


def normalize(
    norm: Norm,
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Any, Any]:
    """Return y and the means and variances that it was normalised by: arrays, in graphs tensors."""
    if torch.compiler.is_compiling():
        mean, var = (None, None) if running is None else running
        return operators.normalize(x, weight, bias, mean, var, *norm)  # type: ignore[no-any-return]
    differentiated = torch.is_grad_enabled() and (
        x.requires_grad
        or (weight is not None and weight.requires_grad)
        or (bias is not None and bias.requires_grad)
    )
    if not differentiated or all(one is None or one.is_inference() for one in (x, weight, bias)):
        return norms.forward(norm, x, weight, bias, running)
    found: list[Any] = []
    y = Normalize.apply(norm, x, weight, bias, running, found)  # type: ignore[no-untyped-call]
    return y, found[0], found[1]
