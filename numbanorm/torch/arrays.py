"""Tensors seen as arrays, and the other way round, without a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from numbanorm.calls.checks.scalars import is_known
from numbanorm.calls.given import bfloat16

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# What x may be of, and what parameters beside it may be of. NumPy has no bfloat16 of its own.
COMPUTED = {
    torch.float32: torch.float32,
    torch.float64: torch.float64,
    torch.float16: torch.float32,
}
_BFLOAT16 = bfloat16()
if _BFLOAT16 is not None and is_known(_BFLOAT16):
    COMPUTED[torch.bfloat16] = torch.float32


def array(tensor: torch.Tensor) -> Array:
    """Return a tensor's memory as an array, of any strides."""
    plain = tensor.detach()
    if plain.dtype is torch.bfloat16:
        # By its bits, which NumPy knows.
        return plain.view(torch.int16).numpy().view(_BFLOAT16)  # type: ignore[arg-type]
    found: Array = plain.numpy()
    return found


def optional(tensor: torch.Tensor | None) -> Array | None:
    """Return like `array`, or None for None."""
    return None if tensor is None else array(tensor)


def tensor(values: Array) -> torch.Tensor:
    """Return a tensor of an array of float32 or float64, whose memory it shares."""
    return torch.from_numpy(np.ascontiguousarray(values))
