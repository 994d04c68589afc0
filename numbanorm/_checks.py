"""Every rule about arguments, and every message about a broken one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import index
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from numbanorm import _given, _memory
from numbanorm._given import as_array
from numbanorm._status import RULES, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

# From a dtype x may have to that of its parameters and running arrays.
DTYPES: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(kind): np.dtype(kind) for kind in (np.float32, np.float64)
}
INF = float("inf")

_FLOAT64 = np.dtype(np.float64)
# The dtypes in which statistics are taken; they come out float64.
_STATISTICS = np.dtype(np.float32), _FLOAT64
_NAMES = " or ".join(map(str, DTYPES))


def data(name: str, value: Any) -> NDArray[Any]:
    """Return value as an array of an accepted native dtype, aligned, and flagged writeable."""
    if type(value) is np.ndarray and value.dtype in DTYPES and value.flags.behaved:
        return value  # type: ignore[no-any-return]
    array = as_array(name, value)
    if array.dtype.newbyteorder("=") not in DTYPES:
        remedy = _given.remedy(name, array.dtype)
        raise TypeError(f"{name} must be {_NAMES}, got {array.dtype}{remedy}")
    return _memory.behaved(array)


def like(name: str, value: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Return value as `data` does, of the shape and dtype of x."""
    if type(value) is not np.ndarray:
        value = _given.of_dtype(name, value, x.dtype)
    array = data(name, value)
    if array.shape != x.shape:
        raise ValueError(f"{name} must have x's shape {x.shape}, got {array.shape}")
    if array.dtype != x.dtype:
        raise TypeError(f"{name} must be {x.dtype} like x, got {array.dtype}")
    return array


def parameter(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return value as a C-contiguous array of this shape and dtype, flagged writeable.

    Only a sequence of numbers is converted to the dtype.
    """
    if type(value) is not np.ndarray:
        value = _given.of_dtype(name, value, dtype)
    _shape_and_dtype(name, value, dtype, shape)
    if value.flags.carray and value.dtype.isnative:
        return value  # type: ignore[no-any-return]
    return np.ascontiguousarray(_memory.behaved(value)).reshape(shape)


def _shape_and_dtype(
    name: str, value: NDArray[Any], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> None:
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    if value.dtype.newbyteorder("=") != dtype:
        remedy = _given.remedy(name, value.dtype)
        raise TypeError(f"{name} must be {dtype} like x, got {value.dtype}{remedy}")


def statistic(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a statistic that is given to be used, float64 or float32, C-contiguous."""
    array = _given.of_dtype(name, value, _FLOAT64)
    dtype = array.dtype.newbyteorder("=")
    if array.shape == shape and dtype not in _STATISTICS:
        raise TypeError(f"{name} must be float64 or float32, got {array.dtype}")
    return parameter(name, array, dtype, shape)


def numbers(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return real numbers of this shape as float64."""
    value = _given.of_dtype(name, value, _FLOAT64)
    if value.dtype.kind not in "fiu":
        remedy = _given.remedy(name, value.dtype)
        raise TypeError(f"{name} must be real numbers, got {value.dtype}{remedy}")
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    return np.ascontiguousarray(value, _FLOAT64)


def running(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the memory of a running array, of any strides, to be updated in place."""
    array = as_array(name, value)
    # Whoever hands out its memory does so each time; a list gives two different copies.
    if type(value) is not np.ndarray and not (
        array.size == 0 or np.may_share_memory(array, as_array(name, value))
    ):
        raise TypeError(
            f"{name} must be an array that training can update in place, got {type(value).__name__}"
        )
    _shape_and_dtype(name, array, dtype, shape)
    if not array.flags.writeable:
        raise ValueError(f"{name} must be writeable to be updated in place, got a read-only array")
    if _memory.overlaps_itself(array):
        raise ValueError(
            f"{name} must have memory for each element, got an array that overlaps itself"
        )
    return array


def norms(given: Iterable[str], known: tuple[str, ...]) -> list[str]:
    """Return the names of norms, all of them known."""
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in known:
            raise ValueError(f"norms must be of {', '.join(map(repr, known))}, got {name!r}")
    return names


def inference(running_mean: Any, running_var: Any) -> None:
    """Refuse to normalise by running statistics that are not there."""
    if running_mean is None or running_var is None:
        name = "running_mean" if running_mean is None else "running_var"
        raise ValueError(f"{name} must be an array when training is False, got None")


def channels(shape: tuple[int, ...], layout: str) -> int:
    """Return the number of channels of an x of this shape, of rank 2 or more, in a known layout."""
    if len(shape) < 2:
        raise ValueError(f"x must have 2 or more dimensions, got shape {shape}")
    if layout == "NCHW":
        return shape[1]
    if layout == "NHWC":
        return shape[-1]
    _unknown_layout(layout)


def _unknown_layout(value: Any) -> NoReturn:
    raise ValueError(f"{RULES[Status.LAYOUT]}, got {value!r}")


def batch_size(shape: tuple[int, ...], channels: int) -> None:
    """Refuse one value per channel in training: its variance is 0 whatever the value."""
    if math.prod(shape) == channels and channels:
        raise ValueError(
            f"x must have more than 1 value per channel when training, got shape {shape}"
        )


def spatial_size(shape: tuple[int, ...], spatial: int) -> None:
    """Refuse one value per channel and sample: its variance is 0 whatever the value."""
    if spatial == 1:
        raise ValueError(
            f"x must have more than 1 value per channel when normalised by its own statistics, "
            f"got shape {shape}"
        )


def groups(value: Any) -> int:
    """Return a number of groups."""
    return value if type(value) is int and value > 0 else integer("num_groups", value, 1)


def grouping(groups: int, channels: int) -> None:
    """Refuse a number of groups that the channels can't be divided into."""
    if channels % groups:
        raise ValueError(f"num_groups must divide the {channels} channels, got {groups}")


def group_size(shape: tuple[int, ...], groups: int) -> None:
    """Refuse one value per group, as torch does, which counts those of all samples."""
    if math.prod(shape) == groups:
        raise ValueError(f"x must have more than 1 value per group, got shape {shape}")


def shape(name: str, value: Any) -> tuple[int, ...]:
    """Return an int or a sequence of ints as a shape of one dimension or more."""
    values = value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    sizes = tuple(integer(name, size, 0) for size in values)
    if not sizes:
        raise ValueError(f"{name} must have 1 or more dimensions, got {value!r}")
    return sizes


def normalized_shape(value: Any) -> tuple[int, ...]:
    """Return the shape of axes that are normalised."""
    # What almost every call brings; the rules below take a microsecond.
    if type(value) is int and value >= 0:
        return (value,)
    if type(value) is tuple and len(value) == 1 and type(value[0]) is int and value[0] >= 0:
        return value
    return shape("normalized_shape", value)


def last_sizes(sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Refuse a shape of normalised axes that are not the last ones of x's."""
    if shape[-len(sizes) :] != sizes:
        raise ValueError(f"normalized_shape must be x's last sizes, got {sizes} for shape {shape}")


def _number(name: str, value: Any) -> float:
    try:
        if not isinstance(value, (str, bytes)):
            return float(value)
    except (TypeError, ValueError):
        pass
    except OverflowError:
        return INF
    raise TypeError(f"{name} must be a number, got {value!r}")


def epsilon(value: Any) -> float:
    """Return eps as a float, finite and not negative."""
    if type(value) is float and 0.0 <= value < INF:
        return value
    number = _number("eps", value)
    if not 0.0 <= number < INF:
        raise ValueError(f"{RULES[Status.EPS]}, got {value!r}")
    return number


def finite(name: str, value: Any) -> float:
    """Return value as a finite float."""
    if type(value) is float and -INF < value < INF:
        return value
    number = _number(name, value)
    if not -INF < number < INF:
        raise ValueError(f"{name} must be finite, got {value!r}")
    return number


def correction(value: Any, count: int) -> float:
    """Return the correction of a variance, which leaves a positive divisor of `count` values."""
    number = finite("correction", value)
    if number >= count > 0:
        raise ValueError(
            f"correction must be less than the {count} values of a channel, got {value!r}"
        )
    return number


def integer(name: str, value: Any, least: int) -> int:
    """Return value as an int of at least `least`."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {value!r}") from None
    if number < least:
        raise ValueError(f"{name} must be {least} or more, got {value!r}")
    return number


def out(
    out: Any, sources: tuple[NDArray[Any], ...], others: tuple[NDArray[Any] | None, ...]
) -> None:
    """Check the array a result goes to: it may be one of the sources, and overlap nothing else.

    The first source is x (or what x became), whose shape and dtype the result has.
    """
    x = sources[0]
    _result(out, x)
    for source in _memory.overlapping(out, sources):
        if not _memory.same_memory(out, source):
            raise ValueError("out must be x itself or share no memory with it, got an overlap")
    if _memory.overlapping(out, others):
        raise ValueError("out must share no memory with parameters and statistics, got an overlap")


def _result(out: Any, x: NDArray[Any]) -> None:
    """Check the shape, the dtype and the memory of an array a result goes to."""
    if not isinstance(out, np.ndarray):
        remedy = ": pass out.detach().numpy()" if hasattr(out, "detach") else ""
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}{remedy}")
    if type(out) is not np.ndarray:
        _given.check("out", out)
    if out.shape != x.shape:
        raise ValueError(f"out must have x's shape {x.shape}, got {out.shape}")
    if out.dtype is not x.dtype and out.dtype.newbyteorder("=") != x.dtype.newbyteorder("="):
        raise TypeError(f"out must be {x.dtype} like x, got {out.dtype}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    if _memory.overlaps_itself(out):
        raise ValueError("out must have memory for each element, got an array that overlaps itself")


def layout(value: Any) -> Any:
    """Return a known layout."""
    if not isinstance(value, str) or value not in ("NCHW", "NHWC"):
        _unknown_layout(value)
    return value


def dtype(value: Any) -> np.dtype[Any]:
    """Return the dtype of a layer's input."""
    found: np.dtype[Any] | None = None
    try:
        # NumPy reads None as float64, torch as float32.
        found = None if value is None else np.dtype(value)
    except TypeError:
        pass
    if found is None or found not in DTYPES:
        raise TypeError(f"dtype must be {_NAMES}, got {value if found is None else found}")
    return found


def layer_dtype(x: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Check the dtype of a layer's input."""
    if x.dtype != dtype:
        raise TypeError(f"x must be {dtype} like the layer, got {x.dtype}")


def layer_input(
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
    found = channels(x.shape, layout)
    if found != size and exact:
        raise ValueError(f"x must have {size} channels in layout {layout}, got shape {x.shape}")
    layer_dtype(x, dtype)
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
