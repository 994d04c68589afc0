"""Rules about numbers, sizes, names and dtypes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from operator import index
from typing import Any

import numpy as np

from numbanorm._status import RULES, Status
from numbanorm.calls import given
from numbanorm.calls.checks.sizes import unknown_layout

# From a dtype x may have to that which is computed with: what parameters may have instead, and
# their gradients have. bfloat16, which NumPy doesn't know by itself, comes when it is first met.
DTYPES: dict[np.dtype[Any], np.dtype[Any]] = {
    np.dtype(np.float32): np.dtype(np.float32),
    np.dtype(np.float64): np.dtype(np.float64),
    np.dtype(np.float16): np.dtype(np.float32),
}
DTYPE_NAMES = "float16, bfloat16, float32 or float64"

_INF = float("inf")


# What pixels may be besides.
INTEGERS = frozenset(map(np.dtype, (np.uint8, np.uint16, np.int16)))
PIXEL_NAMES = f"uint8, uint16, int16, {DTYPE_NAMES}"


def layout(value: Any, name: str = "layout") -> Any:
    """Return a known layout."""
    if not isinstance(value, str) or value not in ("NCHW", "NHWC"):
        unknown_layout(value, name)
    return value


def is_known(dtype: np.dtype[Any]) -> bool:
    """Return whether x may have a native dtype."""
    if dtype in DTYPES:
        return True
    if dtype.name == "bfloat16" and dtype.itemsize == 2:
        DTYPES[dtype] = np.dtype(np.float32)
        return True
    return False


def dtype(value: Any) -> np.dtype[Any]:
    """Return the dtype of a layer's input."""
    found: np.dtype[Any] | None = None
    if isinstance(value, str) and value == "bfloat16" and given.bfloat16() is None:
        raise TypeError(
            "dtype must be float16, float32 or float64, got bfloat16: install ml_dtypes for that"
        )
    # NumPy reads None as float64, torch as float32.
    with contextlib.suppress(TypeError):
        found = None if value is None else np.dtype(value)
    if found is None or not is_known(found):
        raise TypeError(f"dtype must be {DTYPE_NAMES}, got {value if found is None else found}")
    return found


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


def groups(value: Any) -> int:
    """Return a number of groups."""
    return value if type(value) is int and value > 0 else integer("num_groups", value, 1)


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


def _number(name: str, value: Any) -> float:
    try:
        if not isinstance(value, (str, bytes)):
            return float(value)
    except (TypeError, ValueError):
        pass
    except OverflowError:
        return _INF
    raise TypeError(f"{name} must be a number, got {value!r}")


def epsilon(value: Any, name: str = "eps") -> float:
    """Return eps, or its like, as a float, finite and not negative."""
    if type(value) is float and 0.0 <= value < _INF:
        return value
    number = _number(name, value)
    if not 0.0 <= number < _INF:
        raise ValueError(f"{RULES[Status.EPS].replace('eps', name, 1)}, got {value!r}")
    return number


def finite(name: str, value: Any) -> float:
    """Return value as a finite float."""
    if type(value) is float and -_INF < value < _INF:
        return value
    number = _number(name, value)
    if not -_INF < number < _INF:
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


def norms(given: Iterable[str], known: tuple[str, ...]) -> list[str]:
    """Return the names of norms, all of them known."""
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        if name not in known:
            raise ValueError(f"norms must be of {', '.join(map(repr, known))}, got {name!r}")
    return names
