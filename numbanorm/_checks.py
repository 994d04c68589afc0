"""Every rule about arguments, and every message about a broken one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import index
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from numbanorm import _memory
from numbanorm._status import RULES, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

# From a dtype x may have to the dtype of its parameters, running arrays and returned statistics.
DTYPES: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(kind): np.dtype(kind) for kind in (np.float32, np.float64)
}
INF = float("inf")

_FLOAT64 = np.dtype(np.float64)
_NAMES = " or ".join(map(str, DTYPES))


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Return value as a plain array, without a copy where it has memory of its own."""
    kind = type(value)
    array: NDArray[Any]
    if kind is np.ndarray:
        array = value
        return array
    try:
        if hasattr(kind, "__dlpack__") and not hasattr(kind, "__array__"):
            array = np.from_dlpack(value)
        else:
            array = np.asarray(value)
        return array
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        raise TypeError(
            f"{name} must be what np.asarray takes, got {kind.__name__} ({error})"
        ) from error


def data(name: str, value: Any) -> NDArray[Any]:
    """Return value as an array of an accepted native dtype, aligned, and flagged writeable."""
    array: NDArray[Any] = value
    if type(value) is np.ndarray and value.dtype in DTYPES and value.flags.behaved:
        return array
    array = as_array(name, value)
    if array.dtype.newbyteorder("=") not in DTYPES:
        raise TypeError(f"{name} must be {_NAMES}, got {array.dtype}")
    return _memory.behaved(array)


def like(name: str, value: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Return value as `data` does, of the shape and dtype of x."""
    array = data(name, value)
    if array.shape != x.shape:
        raise ValueError(f"{name} must have x's shape {x.shape}, got {array.shape}")
    if array.dtype != x.dtype:
        raise TypeError(f"{name} must be {x.dtype} like x, got {array.dtype}")
    return array


def _is_plain(value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    # What almost every call brings, told in a quarter of a microsecond.
    return (
        type(value) is np.ndarray
        and value.dtype is dtype
        and value.shape == shape
        and value.flags.carray
    )


def parameter(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return value as a C-contiguous array of this shape and dtype, flagged writeable."""
    if _is_plain(value, dtype, shape):
        return value  # type: ignore[no-any-return]
    value = as_array(name, value)
    _shape_and_dtype(name, value, dtype, shape)
    return np.ascontiguousarray(_memory.behaved(value)).reshape(shape)


def _shape_and_dtype(
    name: str, value: NDArray[Any], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> None:
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    if value.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"{name} must be {dtype} like x, got {value.dtype}")


def statistics(
    given: dict[str, Any], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> list[NDArray[Any]]:
    """Return the statistics a backward pass is given: all of this dtype, or all float64."""
    arrays = {name: as_array(name, value) for name, value in given.items()}
    if all(array.dtype.newbyteorder("=") == _FLOAT64 for array in arrays.values()):
        dtype = _FLOAT64
    return [parameter(name, array, dtype, shape) for name, array in arrays.items()]


def numbers(name: str, value: Any, size: int) -> NDArray[np.float64]:
    """Return a sequence of real numbers of shape (size,) as float64."""
    value = as_array(name, value)
    if value.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got {value.dtype}")
    if value.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), got {value.shape}")
    return np.ascontiguousarray(value, _FLOAT64)


def running(name: str, value: Any, dtype: np.dtype[Any], size: int) -> NDArray[Any]:
    """Return the memory of a running array, of any strides, to be updated in place."""
    if _is_plain(value, dtype, (size,)):
        return value  # type: ignore[no-any-return]
    array = as_array(name, value)
    # Whoever hands out its memory does so each time; a list gives two different copies.
    if type(value) is not np.ndarray and not (
        array.size == 0 or np.may_share_memory(array, as_array(name, value))
    ):
        raise TypeError(
            f"{name} must be an array that training can update in place, got {type(value).__name__}"
        )
    _shape_and_dtype(name, array, dtype, (size,))
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


def inference(name: str, value: Any, dtype: np.dtype[Any], size: int) -> NDArray[Any]:
    """Return a running array that inference reads, which needs it."""
    if value is None:
        raise ValueError(f"{name} must be an array when training is False, got None")
    return parameter(name, value, dtype, (size,))


def channels(x: NDArray[Any], layout: str) -> int:
    """Return the number of channels of x, whose rank is 2 or more, in a known layout."""
    if x.ndim < 2:
        raise ValueError(f"x must have 2 or more dimensions, got shape {x.shape}")
    if layout == "NCHW":
        return int(x.shape[1])
    if layout == "NHWC":
        return int(x.shape[-1])
    _unknown_layout(layout)


def _unknown_layout(value: Any) -> NoReturn:
    raise ValueError(f"{RULES[Status.LAYOUT]}, got {value!r}")


def batch_size(x: NDArray[Any], channels: int) -> None:
    """Refuse one value per channel in training: its variance is 0 whatever the value."""
    if x.size == channels and channels:
        raise ValueError(
            f"x must have more than 1 value per channel when training, got shape {x.shape}"
        )


def spatial_size(x: NDArray[Any], layout: str) -> None:
    """Refuse one value per channel and sample: its variance is 0 whatever the value."""
    spatial = x.shape[2:] if layout == "NCHW" else x.shape[1:-1]
    if math.prod(spatial) == 1:
        raise ValueError(
            f"x must have more than 1 value per channel when normalised by its own statistics, "
            f"got shape {x.shape}"
        )


def groups(value: Any, channels: int) -> int:
    """Return a number of groups that the channels can be divided into."""
    number = integer("num_groups", value, 1)
    if channels % number:
        raise ValueError(f"num_groups must divide the {channels} channels, got {value!r}")
    return number


def group_size(x: NDArray[Any], groups: int) -> None:
    """Refuse one value per group, as torch does, which counts those of all samples."""
    if x.size == groups:
        raise ValueError(f"x must have more than 1 value per group, got shape {x.shape}")


def shape(name: str, value: Any) -> tuple[int, ...]:
    """Return an int or a sequence of ints as a shape of one dimension or more."""
    values = value if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    sizes = tuple(integer(name, size, 0) for size in values)
    if not sizes:
        raise ValueError(f"{name} must have 1 or more dimensions, got {value!r}")
    return sizes


def normalized_shape(value: Any, x: NDArray[Any]) -> tuple[int, ...]:
    """Return the shape of x's last axes that are normalised."""
    if type(value) is int and x.shape[-1:] == (value,):
        return (value,)
    sizes = shape("normalized_shape", value)
    if x.shape[-len(sizes) :] != sizes:
        raise ValueError(
            f"normalized_shape must be x's last sizes, got {sizes} for shape {x.shape}"
        )
    return sizes


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


def out(out: Any, sources: Iterable[NDArray[Any]], others: Iterable[Any]) -> None:
    """Check the array a result goes to: it may be one of the sources, and overlap nothing else.

    The first source is x (or what x became), whose shape and dtype the result has.
    """
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}")
    x = next(iter(sources))
    if out.shape != x.shape:
        raise ValueError(f"out must have x's shape {x.shape}, got {out.shape}")
    if out.dtype is not x.dtype and out.dtype.newbyteorder("=") != x.dtype.newbyteorder("="):
        raise TypeError(f"out must be {x.dtype} like x, got {out.dtype}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    if _memory.overlaps_itself(out):
        raise ValueError("out must have memory for each element, got an array that overlaps itself")
    for source in sources:
        if _memory.overlap(out, source) and not _memory.same_memory(out, source):
            raise ValueError("out must be x itself or share no memory with it, got an overlap")
    for other in others:
        if other is not None and _memory.overlap(out, np.asarray(other)):
            raise ValueError(
                "out must share no memory with parameters and statistics, got an overlap"
            )


def layout(value: Any) -> Any:
    """Return a known layout."""
    if value not in ("NCHW", "NHWC"):
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
    found = channels(x, layout)
    if found != size and exact:
        raise ValueError(f"x must have {size} channels in layout {layout}, got shape {x.shape}")
    layer_dtype(x, dtype)
    return found


def called(saved: tuple[Any, ...] | None, name: str) -> tuple[Any, ...]:
    """Return what the last call of a layer saved."""
    if saved is None:
        raise RuntimeError(f"{name}.backward must come after a call of the layer, got no call yet")
    return saved


def state_names(given: Iterable[str], own: Iterable[str], optional: str) -> None:
    """Check the names of a state to load."""
    missing = [name for name in own if name not in given and name != optional]
    unknown = [name for name in given if name not in own]
    if missing or unknown:
        lists = f"missing {missing}" if missing else ""
        lists += " and " if missing and unknown else ""
        lists += f"unknown {unknown}" if unknown else ""
        raise ValueError(f"state_dict must have the names {list(own)}, got {lists}")


def state_value(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a value to load, of this shape."""
    array = as_array(name, value)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got {array.dtype}")
    return array
