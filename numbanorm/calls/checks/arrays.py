"""Rules about arrays: what is read, what is updated in place, and where results go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import given, memory
from numbanorm.calls.checks.scalars import DTYPE_NAMES, DTYPES, INTEGERS, PIXEL_NAMES, is_known

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOAT64 = np.dtype(np.float64)
# The dtypes in which statistics are taken; they come out float64.
_STATISTICS = np.dtype(np.float32), _FLOAT64


def data(name: str, value: Any) -> NDArray[Any]:
    """Return value as an array of an accepted native dtype, aligned, and flagged writeable."""
    if type(value) is np.ndarray and value.dtype in DTYPES and value.flags.behaved:
        return value  # type: ignore[no-any-return]
    array = given.as_array(name, value)
    if not is_known(array.dtype.newbyteorder("=")):
        remedy = given.remedy(name, array.dtype)
        raise TypeError(f"{name} must be {DTYPE_NAMES}, got {array.dtype}{remedy}")
    return memory.behaved(array)


def pixels(name: str, value: Any) -> NDArray[Any]:
    """Return value as `data` does; integers of at most 16 bits are accepted too.

    Its strides are multiples of its elements' size.
    """
    array = given.as_array(name, value)
    if array.dtype in INTEGERS and array.itemsize == 1 and array.flags.behaved:
        return array
    dtype = array.dtype.newbyteorder("=")
    if dtype not in INTEGERS and not is_known(dtype):
        remedy = given.remedy(name, array.dtype)
        raise TypeError(f"{name} must be {PIXEL_NAMES}, got {array.dtype}{remedy}")
    array = memory.behaved(array)
    if any(stride % array.itemsize for stride in array.strides):
        array = array.copy(order="K")
    return array


def like(name: str, value: Any, x: NDArray[Any]) -> NDArray[Any]:
    """Return value as `data` does, of the shape and dtype of x."""
    if type(value) is not np.ndarray:
        value = given.of_dtype(name, value, x.dtype)
    array = data(name, value)
    if array.shape != x.shape:
        raise ValueError(f"{name} must have x's shape {x.shape}, got {array.shape}")
    if array.dtype != x.dtype:
        raise TypeError(f"{name} must be {x.dtype} like x, got {array.dtype}")
    return array


def parameter(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return value as a C-contiguous array of this shape, flagged writeable.

    It has the dtype, x's, or the one that is computed with. Only a sequence of numbers is converted
    to that.
    """
    if type(value) is not np.ndarray:
        value = given.of_dtype(name, value, DTYPES[dtype])
    _shape_and_dtype(name, value, dtype, shape)
    if value.flags.carray and value.dtype.isnative:
        return value  # type: ignore[no-any-return]
    return np.ascontiguousarray(memory.behaved(value)).reshape(shape)


def optional(
    name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any] | None:
    """Return value as `parameter` does, or None for None."""
    return None if value is None else parameter(name, value, dtype, shape)


def _shape_and_dtype(
    name: str, value: NDArray[Any], dtype: np.dtype[Any], shape: tuple[int, ...]
) -> None:
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    found = value.dtype.newbyteorder("=")
    if found != dtype and found != DTYPES[dtype]:
        remedy = given.remedy(name, value.dtype)
        other = "" if DTYPES[dtype] == dtype else f", or {DTYPES[dtype]}"
        raise TypeError(f"{name} must be {dtype} like x{other}, got {value.dtype}{remedy}")


def statistic(
    name: str, value: Any, shape: tuple[int, ...], dtype: np.dtype[Any] = _FLOAT64
) -> NDArray[Any]:
    """Return a statistic that is given to be used, C-contiguous: float64, float32 or a dtype."""
    array = given.of_dtype(name, value, _FLOAT64)
    found = array.dtype.newbyteorder("=")
    if array.shape == shape and found not in _STATISTICS and found != dtype:
        other = "" if dtype in _STATISTICS else f", or {dtype} like x"
        raise TypeError(f"{name} must be float64 or float32{other}, got {array.dtype}")
    return parameter(name, array, found if is_known(found) else _FLOAT64, shape)


def numbers(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return real numbers of this shape as float64."""
    value = given.of_dtype(name, value, _FLOAT64)
    if value.dtype.kind not in "fiu" and not is_known(value.dtype):
        remedy = given.remedy(name, value.dtype)
        raise TypeError(f"{name} must be real numbers, got {value.dtype}{remedy}")
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    return np.ascontiguousarray(value, _FLOAT64)


def of_channels(name: str, value: Any, count: int, channels: int) -> NDArray[np.float64]:
    """Return a number, one for each channel, or those of `count` images, as float64 of rank 2."""
    array = given.of_dtype(name, value, _FLOAT64)
    if array.dtype.kind not in "fiu" and not is_known(array.dtype):
        remedy = given.remedy(name, array.dtype)
        raise TypeError(f"{name} must be real numbers, got {array.dtype}{remedy}")
    if array.shape not in ((), (channels,), (count, channels)):
        raise ValueError(
            f"{name} must be a number or have shape ({channels},) or ({count}, {channels}), "
            f"got {array.shape}"
        )
    array = np.ascontiguousarray(array, _FLOAT64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got a value that is not")
    if array.ndim < 2:
        array = np.ascontiguousarray(np.broadcast_to(array, (1, channels)))
    return array


def chosen(where: Any, shape: tuple[int, ...], layout: str) -> NDArray[np.bool_]:
    """Return which positions of x count, of x's shape without the axis of channels."""
    array = given.as_array("where", where)
    if array.dtype != np.bool_:
        raise TypeError(f"where must be bool, got {array.dtype}")
    axis = 1 if layout == "NCHW" else len(shape) - 1
    wanted = shape[:axis] + shape[axis + 1 :]
    try:
        return np.broadcast_to(array, wanted)
    except ValueError:
        raise ValueError(
            f"where must be broadcastable to {wanted}, x's shape without channels, "
            f"got {array.shape}"
        ) from None


def running(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the memory of a running array, of any strides, to be updated in place."""
    array = given.as_array(name, value)
    # Whoever hands out its memory does so each time; a list gives two different copies.
    if type(value) is not np.ndarray and not (
        array.size == 0 or np.may_share_memory(array, given.as_array(name, value))
    ):
        raise TypeError(
            f"{name} must be an array that training can update in place, got {type(value).__name__}"
        )
    _shape_and_dtype(name, array, dtype, shape)
    if not array.flags.writeable:
        raise ValueError(f"{name} must be writeable to be updated in place, got a read-only array")
    if memory.overlaps_itself(array):
        raise ValueError(
            f"{name} must have memory for each element, got an array that overlaps itself"
        )
    return array


def inference(running_mean: Any, running_var: Any) -> None:
    """Refuse to normalise by running statistics that are not there."""
    if running_mean is None or running_var is None:
        name = "running_mean" if running_mean is None else "running_var"
        raise ValueError(f"{name} must be an array when training is False, got None")


def out(
    out: Any, sources: tuple[NDArray[Any], ...], others: tuple[NDArray[Any] | None, ...]
) -> None:
    """Check the array a result goes to: it may be one of the sources, and overlap nothing else.

    The first source is x (or what x became), whose shape and dtype the result has.
    """
    x = sources[0]
    result(out, x.shape, x.dtype)
    for source in memory.overlapping(out, sources):
        if not memory.same_memory(out, source):
            raise ValueError("out must be x itself or share no memory with it, got an overlap")
    apart(out, others)


def apart(
    out: NDArray[Any],
    others: tuple[NDArray[Any] | None, ...],
    what: str = "parameters and statistics",
) -> None:
    """Refuse an array for a result that overlaps what the result is computed with."""
    if memory.overlapping(out, others):
        raise ValueError(f"out must share no memory with {what}, got an overlap")


def result(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any], name: str = "x") -> None:
    """Check the shape, the dtype and the memory of an array a result goes to, those of `name`."""
    if not isinstance(out, np.ndarray):
        remedy = ": pass out.detach().numpy()" if hasattr(out, "detach") else ""
        raise TypeError(f"out must be a NumPy array, got {type(out).__name__}{remedy}")
    if type(out) is not np.ndarray:
        given.check("out", out)
    if out.shape != shape:
        raise ValueError(f"out must have {name}'s shape {shape}, got {out.shape}")
    if out.dtype is not dtype and out.dtype.newbyteorder("=") != dtype.newbyteorder("="):
        raise TypeError(f"out must be {dtype} like {name}, got {out.dtype}")
    if not out.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    if memory.overlaps_itself(out):
        raise ValueError("out must have memory for each element, got an array that overlaps itself")
