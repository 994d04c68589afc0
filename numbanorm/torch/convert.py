"""A model's norms changed for numbanorm's, and back: each module stays the object that it is."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from numbanorm.torch import modules
from numbanorm.torch.arrays import COMPUTED

_log = logging.getLogger(__name__)

_NAMES = (
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "GroupNorm", "LayerNorm", "RMSNorm",
)  # fmt: skip
OURS: dict[type, type] = {getattr(nn, name): getattr(modules, name) for name in _NAMES}
THEIRS = {ours: theirs for theirs, ours in OURS.items()}
_KINDS = tuple(OURS)
# Also those of torch that have no counterpart here: lazy ones, and SyncBatchNorm.
_ALL = (*_KINDS, nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)

Model = TypeVar("Model", bound=nn.Module)


def convert(model: Model) -> Model:
    """Let every norm of a model run on numbanorm's kernels, in place; returns the model.

    The modules remain the same objects, of another class, a subclass of their own: parameters,
    buffers, hooks, attributes, names, modes and parametrizations stay. Norms that are of a class of
    the model's own are left alone, which the log says; `explain` lists all.

    Parameters
    ----------
    model : torch.nn.Module
        Itself a norm, perhaps.

    Returns
    -------
    torch.nn.Module
        The same.

    Examples
    --------
    >>> import torch
    >>> import numbanorm.torch as nt
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
    >>> nt.explain(nt.convert(model))
    1: BatchNorm2d runs on numbanorm's kernels
    >>> type(nt.restore(model)[1])
    <class 'torch.nn.modules.batchnorm.BatchNorm2d'>
    """
    _exchange(model, OURS)
    for name, module in _norms(model):
        if _base(module) not in THEIRS:
            _log.warning("left alone: %s: %s", name or "the model", _reason(module))
    return model


def restore(model: Model) -> Model:
    """Put torch's own classes back, in place; returns the model.

    Parameters
    ----------
    model : torch.nn.Module
        That `convert` returned, or that has modules of `numbanorm.torch`.

    Returns
    -------
    torch.nn.Module
        The same.
    """
    _exchange(model, THEIRS)
    return model


def _norms(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the norms of a model, of whatever class."""
    for name, module in model.named_modules():
        if isinstance(module, _ALL) or _compiled(module):
            yield name, module


def _compiled(module: nn.Module) -> bool:
    """Return whether a module is a norm that `torch.jit` has made a program of."""
    return isinstance(module, torch.jit.ScriptModule) and module.original_name in _NAMES


def _base(module: nn.Module) -> type:
    """Return a module's class: of one with parametrizations, for which torch makes one, its own."""
    kind = type(module)
    return kind.__bases__[0] if parametrize.is_parametrized(module) else kind


def _exchange(model: nn.Module, classes: dict[type, type]) -> None:
    for _, module in _norms(model):
        wanted = classes.get(_base(module))
        if wanted is not None:
            swap_class(module, wanted)


def swap_class(module: nn.Module, wanted: type) -> None:
    """Give a module another class; of one with parametrizations, for which torch makes one, too."""
    kind = type(module)
    # Parametrizations are properties of the class.
    made = wanted if kind is _base(module) else type(kind.__name__, (wanted,), dict(vars(kind)))
    module.__class__ = made
    if wanted.__module__.startswith("torch."):
        vars(module).pop("__module__", None)
    else:
        modules.be_leaf(module)


def _reason(module: nn.Module) -> str:
    kind = _base(module)
    if kind in THEIRS:
        return "runs on numbanorm's kernels"
    if kind in OURS:
        return f"{kind.__name__} of torch, which convert changes"
    if _compiled(module):
        return "a program of torch.jit's"
    if isinstance(module, LazyModuleMixin):
        return f"{kind.__name__}, to be converted after its first call"
    known = [one.__name__ for one in _KINDS if isinstance(module, one)]
    made = f"a class made of torch.nn.{known[0]}" if known else "which has no counterpart here"
    return f"{kind.__module__}.{kind.__qualname__}, {made}"


def _exceptions(module: nn.Module) -> str:
    """Return for what of a module torch's own function is called always."""
    tensors = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    floats = [one for one in tensors if one.is_floating_point()]
    for one in floats:
        if one.device.type != "cpu":
            return f", but for its device, {one.device}: torch's own does it"
        if one.dtype not in COMPUTED and one.dtype != torch.float32:
            return f", but for its dtype, {one.dtype}: torch's own does it"
    return ""


def explain(model: nn.Module) -> None:
    """Print which norms of a model run on numbanorm's kernels, and why others don't.

    Parameters
    ----------
    model : torch.nn.Module
    """
    for name, module in _norms(model):
        kind, reason = _base(module), _reason(module)
        if kind in THEIRS:
            print(f"{name or 'the model'}: {kind.__name__} {reason}{_exceptions(module)}")
        else:
            print(f"{name or 'the model'}: left to torch: {reason}")
