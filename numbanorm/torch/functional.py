"""Norms of tensors as functions: arguments and results are those of `torch.nn.functional`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from numbanorm.torch.arrays import COMPUTED
from numbanorm.torch.autograd import normalize, takes, update_running
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
    norm, running = Norm("batch", (), eps), (running_mean, running_var)
    fits = takes("batch", input, weight, bias, *running, own=training)
    fits = fits and _fits(input, eps, (weight, bias), running)
    if training:
        # torch refuses one value per channel.
        fits = fits and input.numel() > input.shape[1]
    if not (fits and (training or (running_mean is not None and running_var is not None))):
        return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return normalize(norm, input, weight, bias, running)[0]
    y, mean, var = normalize(norm, input, weight, bias)
    update_running(running, mean, var, input.numel() // input.shape[1], momentum)
    return y


def _fits(
    x: Tensor,
    eps: float,
    parameters: tuple[Tensor | None, ...],
    running: tuple[Tensor | None, ...] = (),
) -> bool:
    """Return whether nothing is wrong, which torch would say, with a call by channels."""
    if x.dim() < 2 or not eps > 0.0 or not _have((x.shape[1],), *parameters, *running):
        return False
    return not any(one is not None and one.requires_grad for one in running)


def _have(shape: tuple[int, ...], *parameters: Tensor | None) -> bool:
    """Return whether parameters and statistics, of which any may be None, have a shape."""
    return all(one is None or one.shape == shape for one in parameters)


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
    fits = use_input_stats and takes("instance", input, weight, bias, *running)
    fits = fits and _fits(input, eps, (weight, bias), running) and input.shape[2:].numel() > 1
    if not fits:
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
    fits = takes("group", input, weight, bias) and _fits(input, eps, (weight, bias))
    fits = fits and num_groups > 0 and input.shape[1] % num_groups == 0
    if not (fits and input.numel() > input.shape[0] * num_groups):
        return F.group_norm(input, num_groups, weight, bias, eps)
    return normalize(Norm("group", (num_groups,), eps), input, weight, bias)[0]


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
    sizes = tuple(normalized_shape)
    if not (takes("layer", input, weight, bias) and _ends_in(input, sizes, eps, weight, bias)):
        return F.layer_norm(input, list(sizes), weight, bias, eps)
    return normalize(Norm("layer", sizes, eps), input, weight, bias)[0]


def _ends_in(x: Tensor, sizes: tuple[int, ...], eps: float, *parameters: Tensor | None) -> bool:
    """Return whether nothing is wrong, which torch would say, with a call by the last axes."""
    ends = bool(sizes) and tuple(x.shape[-len(sizes) :]) == sizes
    return ends and eps > 0.0 and _have(sizes, *parameters)


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
    sizes = tuple(normalized_shape)
    fits = takes("rms", input, weight)
    # torch's default: that of what is computed with.
    known = torch.finfo(COMPUTED[input.dtype]).eps if fits and eps is None else eps
    if not (fits and known is not None and _ends_in(input, sizes, known, weight)):
        return F.rms_norm(input, list(sizes), weight, eps)
    return normalize(Norm("rms", sizes, known), input, weight, None)[0]
