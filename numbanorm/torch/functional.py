"""Norms of tensors as functions: arguments and results are those of `torch.nn.functional`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from numbanorm.calls import operations
from numbanorm.torch import operators
from numbanorm.torch.arrays import array
from numbanorm.torch.autograd import normalize, takes
from numbanorm.torch.norms import Norm


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return batch norm; see `torch.nn.functional.batch_norm`.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> x = torch.randn(16, 64, 28, 28)
    >>> y = nt.batch_norm(x, None, None, training=True)
    >>> bool((y.mean((0, 2, 3)).abs() < 1e-5).all())
    True
    """
    if torch.compiler.is_compiling():
        return operators.batch_norm(
            input, running_mean, running_var, weight, bias, training, momentum, eps
        )
    running = (running_mean, running_var)
    if not (
        takes(input, weight, bias, *running)
        and _normalizes(input, running, training, eps, weight, bias)
    ):
        return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    norm = Norm("batch", (), eps)
    if not training:
        assert running_mean is not None and running_var is not None
        y, _, _ = normalize(norm, input, weight, bias, (running_mean, running_var))
        return y
    y, mean, var = normalize(norm, input, weight, bias)
    update_running(running, mean, var, input.numel() // input.shape[1], momentum)
    return y


def _normalizes(
    x: Tensor,
    running: tuple[Tensor | None, Tensor | None],
    training: bool,
    eps: float,
    *parameters: Tensor | None,
) -> bool:
    """Return whether nothing is wrong, which torch would say, with a call by channels."""
    if x.dim() < 2:
        return False
    channels = x.shape[1]
    if not _fit((channels,), *parameters):
        return False
    if not training:
        if running[0] is None or running[1] is None or not eps > 0.0:
            return False
    elif not (eps > 0.0 and x.numel() > channels):
        return False
    return all(
        one is None or (one.shape == (channels,) and one.is_contiguous() and not one.requires_grad)
        for one in running
    )


def update_running(
    running: tuple[Tensor | None, Tensor | None],
    mean: object,
    var: object,
    count: int,
    momentum: float,
) -> None:
    """Move running statistics to those of a batch, of `count` values."""
    arrays = [None if one is None else array(one) for one in running]
    operations.update_running(arrays[0], arrays[1], None, mean, var, count, momentum)  # type: ignore[arg-type]


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return instance norm; see `torch.nn.functional.instance_norm`.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> nt.instance_norm(torch.randn(4, 8, 64, 64)).shape
    torch.Size([4, 8, 64, 64])
    """
    if not (use_input_stats or running_mean is None or running_var is None):
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    running = (running_mean, running_var)
    if use_input_stats and torch.compiler.is_compiling():
        return operators.instance_norm(input, *running, weight, bias, momentum, eps)
    fits = use_input_stats and takes(input, weight, bias, *running) and input.dim() > 2
    fits = fits and input.shape[2:].numel() > 1
    if not (fits and _normalizes(input, running, True, eps, weight, bias)):
        given = *running, weight, bias, use_input_stats, momentum, eps
        return F.instance_norm(input, *given)
    y, mean, var = normalize(Norm("instance", (), eps), input, weight, bias)
    update_running(running, mean, var, input.shape[2:].numel(), momentum)
    return y


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return group norm; see `torch.nn.functional.group_norm`.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> nt.group_norm(torch.randn(4, 8, 64, 64), 2).shape
    torch.Size([4, 8, 64, 64])
    """
    if torch.compiler.is_compiling():
        return operators.group_norm(input, num_groups, weight, bias, eps)
    if not (takes(input, weight, bias) and _groups(input, num_groups, eps, weight, bias)):
        return F.group_norm(input, num_groups, weight, bias, eps)
    return normalize(Norm("group", (num_groups,), eps), input, weight, bias)[0]


def _groups(x: Tensor, groups: int, eps: float, *parameters: Tensor | None) -> bool:
    if x.dim() < 2:
        return False
    channels = x.shape[1]
    several = groups > 0 and channels % groups == 0 and x.numel() > x.shape[0] * groups
    return several and eps > 0.0 and _fit((channels,), *parameters)


def _fit(shape: tuple[int, ...], *parameters: Tensor | None) -> bool:
    return all(one is None or one.shape == shape for one in parameters)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return layer norm; see `torch.nn.functional.layer_norm`.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> nt.layer_norm(torch.randn(64, 768), (768,)).shape
    torch.Size([64, 768])
    """
    if torch.compiler.is_compiling():
        return operators.layer_norm(input, normalized_shape, weight, bias, eps)
    sizes = tuple(normalized_shape)
    if not (takes(input, weight, bias) and _ends_in(input, sizes, weight, bias) and eps > 0.0):
        return F.layer_norm(input, list(sizes), weight, bias, eps)
    return normalize(Norm("layer", sizes, eps), input, weight, bias)[0]


def _ends_in(x: Tensor, sizes: tuple[int, ...], *parameters: Tensor | None) -> bool:
    return bool(sizes) and x.shape[-len(sizes) :] == sizes and _fit(sizes, *parameters)


def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Return RMS norm; see `torch.nn.functional.rms_norm`.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> nt.rms_norm(torch.randn(64, 768), (768,)).shape
    torch.Size([64, 768])
    """
    if torch.compiler.is_compiling():
        return operators.rms_norm(input, normalized_shape, weight, eps)
    sizes = tuple(normalized_shape)
    if not (takes(input, weight) and _ends_in(input, sizes, weight) and (eps is None or eps > 0.0)):
        return F.rms_norm(input, list(sizes), weight, eps)
    return normalize(Norm("rms", sizes, default_eps(input, eps)), input, weight, None)[0]


def default_eps(x: Tensor, eps: float | None) -> float:
    """Return eps, or that of what is computed with, as torch has it."""
    if eps is not None:
        return eps
    return torch.finfo(torch.float64 if x.dtype == torch.float64 else torch.float32).eps
