"""Rules about layers: their input, the order of their calls, and the states they load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks
from numbanorm.calls.given import as_array
from numbanorm.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def input_dtype(x: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Check the dtype of a layer's input: its own, or one that is computed with in its own."""
    if x.dtype != dtype and checks.DTYPES[x.dtype] != dtype:
        raise TypeError(f"x must be {dtype} like the layer, got {x.dtype}")


def input_channels(
    x: NDArray[Any],
    ranks: tuple[int, ...] | None,
    size: int,
    dtype: np.dtype[Any],
    layout: str,
    exact: bool = True,
) -> int:
    """Check the rank, the number of channels and the dtype of a layer's input.

    Returns the number of channels, which if not `exact` may be another one.
    """
    if ranks is not None and x.ndim not in ranks:
        wanted = " or ".join(map(str, ranks))
        raise ValueError(f"x must have {wanted} dimensions, got shape {x.shape}")
    found = checks.channels(x.shape, layout)
    if found != size and exact:
        raise ValueError(f"x must have {size} channels in layout {layout}, got shape {x.shape}")
    input_dtype(x, dtype)
    return found


def called(saved: tuple[Any, ...] | None, name: str) -> tuple[Any, ...]:
    """Return what a call of a layer saved."""
    if saved is None:
        raise RuntimeError(
            f"{name}.backward must follow a call that saved its input, got none since the last "
            "backward: call the layer anew for each backward, in training mode or with "
            "save_for_backward = True; a layer that is used several times before takes the "
            "functions, which are given what they need"
        )
    return saved


def moments(value: Any, channels: int) -> Moments:
    """Return moments from which running statistics of so many channels can be had."""
    if not isinstance(value, Moments):
        raise TypeError(f"moments must be Moments, got {type(value).__name__}")
    count = value.count
    if len(count) != channels:
        raise ValueError(f"moments must have {channels} channels, got {len(count)}")
    if channels and count[0] < 2:
        raise ValueError(f"moments must be of 2 or more values per channel, got {count[0]}")
    return value


def kept_statistics(arrays: tuple[NDArray[Any] | None, ...]) -> list[NDArray[Any]]:
    """Return a layer's running statistics, which can all be set."""
    kept = [array for array in arrays if array is not None]
    if len(kept) < len(arrays):
        raise ValueError("the layer must have running statistics, got track_running_stats=False")
    if not all(array.flags.writeable for array in kept):
        raise ValueError("running statistics must be writeable to be set, got a read-only array")
    return kept


def state_keys(own: Iterable[str], missing: list[str], unexpected: list[str]) -> None:
    """Refuse a state to load in which keys are missing, or are nothing's."""
    if missing or unexpected:
        lists = f"missing {missing}" if missing else ""
        lists += " and " if missing and unexpected else ""
        lists += f"unexpected {unexpected}" if unexpected else ""
        raise ValueError(f"state_dict must have the keys {list(own)}, got {lists}")


def state_value(key: str, name: str, value: Any, own: NDArray[Any]) -> NDArray[Any]:
    """Return a value to load into a layer's own array of this name."""
    if not own.flags.writeable:
        raise ValueError(f"{key} must be writeable to be loaded into, got a read-only array")
    array = _state_array(key, value)
    if array.shape != own.shape:
        raise ValueError(f"{key} must have shape {own.shape}, got {array.shape}")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{key} must be real numbers, got {array.dtype}")
    if name in ("running_var", "num_batches_tracked") and (array < 0).any():
        raise ValueError(f"{key} must not be negative, got {array.min()}")
    return array


def _state_array(key: str, value: Any) -> NDArray[Any]:
    """Return a saved value as an array; numbers of 16 bits that NumPy doesn't know, in 32."""
    if hasattr(value, "detach") and hasattr(value, "float"):
        # A torch tensor. NumPy has no bfloat16, and takes none that requires a gradient.
        value = value.detach()
        value = value.float() if value.dtype.is_floating_point and value.itemsize < 4 else value
    array = as_array(key, value)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
