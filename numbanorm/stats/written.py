"""The results as JSON."""

from __future__ import annotations

from typing import Any

from numbanorm._files import numbers
from numbanorm.stats.report import scaled
from numbanorm.stats.state import State
from numbanorm.stats.tallies import Kind, Tally


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
        "mean": numbers(mean),
        "std": numbers(std),
        "min": numbers(moments.min),
        "max": numbers(moments.max),
        "max_value": kind.top,
        "scaled_mean": numbers(scaled(kind, mean)),
        "scaled_std": numbers(scaled(kind, std)),
        "moments": moments.to_dict(),
    }
