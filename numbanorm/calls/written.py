"""Summaries as JSON has them, and back, every bit kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls.statistics import LOW_BITS, exact_sums
from numbanorm.calls.summaries import Summary, nothing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_KIND, _VERSION = "numbanorm.Moments", 1
_MOST = int(np.iinfo(np.int64).max)


def to_dict(found: Summary) -> dict[str, Any]:
    """Return a summary as lists of numbers; those that JSON lacks are strings."""
    integers, floats = found.count.tolist()
    result: dict[str, Any] = {"kind": _KIND, "version": _VERSION, "channels": found.sums.shape[1]}
    if integers:
        plain, squares = zip(*exact_sums(found.sums))
        result["integers"] = {"count": integers, "sum": list(plain), "squares": list(squares)}
    if floats:
        mean, rest, m2 = map(_numbers, found.values[:3])
        result["floats"] = {"count": floats, "mean": mean, "rest": rest, "m2": m2}
    if integers or floats:
        result["min"], result["max"] = map(_numbers, found.values[3:])
    return result


def _numbers(values: Array) -> list[float | str]:
    # Python's own words for the others, which JSON has not.
    return [value if math.isfinite(value) else str(value) for value in values.tolist()]


def from_dict(given: Mapping[str, Any]) -> Summary:
    """Return the summary that `to_dict` gave; ValueError if it gave no such thing."""
    try:
        return _read(given)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(
            f"moments must be what to_dict gives, got {type(error).__name__}: {error}"
        ) from None


def _read(given: Mapping[str, Any]) -> Summary:
    if given["kind"] != _KIND or given["version"] != _VERSION:
        raise ValueError(
            f"moments must be of kind {_KIND!r} and version {_VERSION}, "
            f"got {given['kind']!r} and {given['version']!r}"
        )
    channels = _natural("channels", given["channels"])
    found = nothing(channels)
    if "integers" in given:
        part = given["integers"]
        found.count[0] = count = _natural("count", part["count"])
        plain, squares = _integers(part["sum"], channels), _integers(part["squares"], channels)
        _check_sums(count, plain, squares)
        for row, sums in ((0, plain), (2, squares)):
            found.sums[row] = [value >> LOW_BITS for value in sums]
            found.sums[row + 1] = [value & ((1 << LOW_BITS) - 1) for value in sums]
    if "floats" in given:
        part = given["floats"]
        found.count[1] = _natural("count", part["count"])
        for row, name in enumerate(("mean", "rest", "m2")):
            found.values[row] = _floats(name, part[name], channels)
        if (found.values[2] < 0.0).any():
            raise ValueError("m2 must not be negative")
    if found.total > _MOST:
        raise ValueError(f"counts must be at most {_MOST}, got {found.total}")
    if found.total:
        for row, name in ((3, "min"), (4, "max")):
            found.values[row] = _floats(name, given[name], channels)
        if (found.values[3] > found.values[4]).any():
            raise ValueError("min must not be above max")
    return found


def _natural(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError(f"{name} must be an int of 0 or more, got {value!r}")
    return value


def _integers(values: Any, channels: int) -> list[int]:
    if len(values) != channels or any(type(value) is not int for value in values):
        raise ValueError(f"sums must be {channels} ints, got {values!r:.60}")
    return list(values)


def _check_sums(count: int, plain: list[int], squares: list[int]) -> None:
    """Refuse sums that no `count` integers of 16 bits have."""
    for one, square in zip(plain, squares):
        if not one * one <= count * square or square > count << 32:
            raise ValueError(f"sums must be those of {count} integers, got {one} and {square}")


def _floats(name: str, values: Any, channels: int) -> list[float]:
    if len(values) != channels:
        raise ValueError(f"{name} must be {channels} numbers, got {len(values)}")
    return [float(value) for value in values]
