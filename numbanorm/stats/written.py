"""The results as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from numbanorm.stats.report import scaled
from numbanorm.stats.state import State
from numbanorm.stats.tallies import Kind, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def results(state: State) -> dict[str, Any]:
    """Return the results, of types that JSON has; NaN and infinities are strings."""
    return {
        "files": len(state.done),
        "broken": [{"file": file, "why": why} for file, why in sorted(state.broken.items())],
        "files_with_more_images": state.longer,
        "mixed": len(state.tallies) > 1,
        "kinds": [_kind(kind, tally) for kind, tally in state.tallies.items()],
    }


def _kind(kind: Kind, tally: Tally) -> dict[str, Any]:
    moments = tally.moments
    mean, std = moments.mean, moments.std()
    return {
        "name": kind.name,
        "channels": list(kind.channels),
        "dtype": kind.dtype,
        "images": tally.images,
        "first": tally.first,
        "count": int(moments.count[0]),
        "mean": _numbers(mean),
        "std": _numbers(std),
        "min": _numbers(moments.min),
        "max": _numbers(moments.max),
        "max_value": kind.top,
        "scaled_mean": _numbers(scaled(kind, mean)),
        "scaled_std": _numbers(scaled(kind, std)),
        "moments": moments.to_dict(),
    }


def _numbers(values: Array) -> list[float | str]:
    return [value if math.isfinite(value) else str(value) for value in values.tolist()]
