"""Summaries as JSON and arrays have them, and back, every bit kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm._files import numbers
from numbanorm.calls.statistics import exact_sums
from numbanorm.calls.summaries import Summary, nothing
from numbanorm.plan.summary import DEVIATIONS, GREATEST, LEAST, LOW, LOW_BITS, MOST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_KIND, _VERSION = "numbanorm.Moments", 1

# Numbers that JSON has no words for, by Python's.
_WORDS = "nan", "inf", "-inf"


def to_dict(found: Summary) -> dict[str, Any]:
    """Return a summary as lists of numbers; those that JSON lacks are strings."""
    integers, floats = found.counts.tolist()
    result: dict[str, Any] = {"kind": _KIND, "version": _VERSION, "channels": found.sums.shape[1]}
    if integers:
        plain, squares = map(list, zip(*exact_sums(found.sums)))
        result["integers"] = {"count": integers, "sum": plain, "squares": squares}
    if floats:
        mean, rest, m2 = map(numbers, found.values[:LEAST])
        result["floats"] = {"count": floats, "mean": mean, "rest": rest, "m2": m2}
    if integers or floats:
        result["min"], result["max"] = map(numbers, found.values[LEAST:])
    return result


def from_dict(given: Mapping[str, Any]) -> Summary:
    """Return the summary that `to_dict` gave; ValueError if it gave no such thing."""
    try:
        if given["kind"] != _KIND or given["version"] != _VERSION:
            raise ValueError(
                f"moments must be of kind {_KIND!r} and version {_VERSION}, "
                f"got {given['kind']!r} and {given['version']!r}"
            )
        return _possible(_read(given))
    except (KeyError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"moments must be what to_dict gives, got {type(error).__name__}: {error}"
        ) from None


def _read(given: Mapping[str, Any]) -> Summary:
    """Return the arrays of a dict."""
    channels = _integer(given["channels"])
    found = nothing(channels)
    if "integers" in given:
        part = given["integers"]
        found.counts[0] = _integer(part["count"])
        for row, name in ((0, "sum"), (2, "squares")):
            sums = [_integer(value) for value in _row(part, name, channels)]
            found.sums[row] = [value >> LOW_BITS for value in sums]
            found.sums[row + 1] = [value & LOW for value in sums]
    if "floats" in given:
        part = given["floats"]
        found.counts[1] = _integer(part["count"])
        for row, name in enumerate(("mean", "rest", "m2")):
            found.values[row] = [_number(value) for value in _row(part, name, channels)]
    if found.counts.any():
        for row, name in ((LEAST, "min"), (GREATEST, "max")):
            found.values[row] = [_number(value) for value in _row(given, name, channels)]
    return found


def _row(part: Mapping[str, Any], name: str, channels: int) -> Sequence[Any]:
    """Return the list of this name, which has one value for each channel."""
    values: Sequence[Any] = part[name]
    if not isinstance(values, (list, tuple)) or len(values) != channels:
        raise TypeError(f"{name!r} is no list of {channels}")
    return values


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no int")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) and value not in _WORDS:
        raise TypeError(f"{value!r} is no number")
    return float(value)


def checked(count: Any, sums: Any, values: Any) -> Summary:
    """Return copies of arrays as a summary, which they may be."""
    channels = values.size // 5 if isinstance(values, np.ndarray) else 0
    values = _copied("values", values, np.float64, (5, channels))
    count = _copied("count", count, np.int64, (2,))
    return _possible(Summary(count, _copied("sums", sums, np.int64, (4, channels)), values))


def _possible(found: Summary) -> Summary:
    """Return a summary, whose numbers some values may have."""
    integers, floats = found.counts.tolist()
    if integers < 0 or floats < 0 or found.total > MOST:
        raise ValueError(f"count must be of 0 or more, together at most {MOST}, got {found.counts}")
    if found.total and found.values.shape[1] == 0:
        raise ValueError(f"count must be 0 where there are no channels, got {found.counts}")
    if integers:
        _possible_integers(found, integers, floats == 0)
    deviations = found.values[DEVIATIONS]
    if floats and (deviations < 0.0).any():
        raise ValueError(f"squared deviations must not be negative, got {deviations.min()}")
    if found.total and (found.values[LEAST] > found.values[GREATEST]).any():
        raise ValueError("the least value must not be above the greatest")
    return found


def _possible_integers(found: Summary, count: int, alone: bool) -> None:
    """Check the sums of integers and, where there are no floats, their extremes."""
    low_parts = found.sums[1::2]
    if (low_parts < 0).any() or (low_parts >> LOW_BITS).any():
        raise ValueError(f"low parts of sums must be of {LOW_BITS} bits, got {low_parts}")
    for (plain, squares), low, high in zip(exact_sums(found.sums), *found.values[LEAST:].tolist()):
        # Such a sum of squares no integers of 16 bits have, or not with that sum.
        if not plain * plain <= count * squares <= count**2 << 32:
            raise ValueError(f"sums must be those of {count} integers, got {plain} and {squares}")
        if alone and not (
            low.is_integer()
            and high.is_integer()
            and -(2**15) <= low <= plain / count <= high < 2**16
        ):
            raise ValueError(f"extremes must be those of integers, got {low} and {high}")


def _copied(name: str, value: Any, dtype: Any, shape: tuple[int, ...]) -> Array:
    if not isinstance(value, np.ndarray) or value.dtype != dtype:
        raise TypeError(f"{name} must be an array of {np.dtype(dtype)}, got {value!r:.60}")
    if value.shape != shape and value.shape != (math.prod(shape),):
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    return np.array(value.reshape(shape), order="C")
