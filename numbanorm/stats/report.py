"""The results as they are printed: a table for each kind, and lines to paste into programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from numbanorm.stats.sources import shown
from numbanorm.stats.state import State
from numbanorm.stats.tallies import Kind, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def scaled(kind: Kind, values: Array) -> Array:
    """Return a mean or a std on the scale on which networks get images: of 8 bits 0 to 1."""
    return values / kind.top if kind.top else values


def lines(state: State) -> list[str]:
    """Return the report."""
    found: list[str] = []
    for kind, tally in state.tallies.items():
        found += [*_table(kind, tally), ""]
    found += _files(state)
    if len(state.tallies) == 1:
        ((kind, tally),) = state.tallies.items()
        found += ["", *_code(kind, tally)]
    return found


def mixed(state: State) -> list[str]:
    """Return what is to be said where there are several kinds; nothing where there is one."""
    kinds = list(state.tallies.items())
    if len(kinds) < 2:
        return []
    remedy = "give those of one kind at a time"
    if all(kind.converts for kind, _ in kinds):
        remedy = "--mode RGB counts them as one"
    counts = ", ".join(
        f"{tally.images:,} {kind.name} (first {shown(tally.first)})" for kind, tally in kinds
    )
    return [f"images must be of one kind, got {counts}: {remedy}"]


def _table(kind: Kind, tally: Tally) -> list[str]:
    moments = tally.moments
    columns = {"mean": moments.mean, "std": moments.std()}
    columns |= {"min": moments.min, "max": moments.max}
    if kind.top:
        columns[f"mean / {kind.top}"] = scaled(kind, moments.mean)
        columns[f"std / {kind.top}"] = scaled(kind, moments.std())
    rows = [["channel", *columns]]
    for c, channel in enumerate(kind.channels):
        rows.append([channel, *(f"{values[c]:.6g}" for values in columns.values())])
    widths = [max(map(len, column)) for column in zip(*rows)]
    pixels = int(moments.count[0])
    return [
        f"{kind.name}: {_plural(tally.images, 'image')}, {_plural(pixels, 'pixel')}, "
        f"first {shown(tally.first)}",
        *(
            "   ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        ),
    ]


def _files(state: State) -> list[str]:
    found = [f"{_plural(len(state.done), 'file')} read, {len(state.broken):,} could not be read"]
    if state.longer:
        found.append(
            f"{_plural(state.longer, 'file')} with several images: the first of each was counted"
        )
    return found


def _code(kind: Kind, tally: Tally) -> list[str]:
    mean, std = (
        _numbers(scaled(kind, values)) for values in (tally.moments.mean, tally.moments.std())
    )
    comma = "," if len(kind.channels) == 1 else ""
    return [
        f"transforms.Normalize(mean=[{mean}], std=[{std}])",
        f"A.Normalize(mean=({mean}{comma}), std=({std}{comma}), "
        f"max_pixel_value={float(kind.top or 1)})",
        f"nbn.normalize_images(images, [{mean}], [{std}])",
    ]


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def _plural(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
