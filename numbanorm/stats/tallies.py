"""`Kind`, what is counted as one, and `Tally`, what is known of all values of a kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.moments import Moments
from numbanorm.stats import histograms

if TYPE_CHECKING:
    from numbanorm._types import Layout
    from numbanorm.stats.histograms import Histogram

# What 1 is on the scale of networks.
_TOPS = {"uint8": 255, "uint16": 65535}


@dataclass(frozen=True)
class Kind:
    """What images or arrays have in common whose values are counted as one."""

    # As it is printed.
    name: str
    channels: tuple[str, ...]
    dtype: str
    # Whether `--mode` turns it into others.
    converts: bool = False

    @property
    def top(self) -> int | None:
        """The value that is 1 on the scale of networks; None if values are on it, or signed."""
        return _TOPS.get(self.dtype)


@dataclass
class Tally:
    """Statistics of values of one kind, which grow by arrays and by other tallies."""

    # How many images, and the file of the first.
    images: int = 0
    first: str = ""
    moments: Moments = field(default_factory=Moments)
    histogram: Histogram | None = None

    def add(self, x: Any, layout: Layout, histogram: bool) -> None:
        """Take in the values of an array of rank 4, or of less where its channels come last."""
        self.moments.update(x, layout=layout)
        if histogram:
            channels = np.moveaxis(x, 1 if layout == "NCHW" else -1, 0)
            self.histogram = self.histogram or histograms.empty(x.dtype.name, len(channels))
            self.histogram.update(channels)

    def merge(self, other: Tally) -> None:
        """Take in the values of another tally, which is not used any more."""
        self.first = self.first or other.first
        self.images += other.images
        self.moments.merge(other.moments)
        if self.histogram is None or other.histogram is None:
            self.histogram = self.histogram or other.histogram
        else:
            self.histogram.merge(other.histogram)


Tallies = dict[Kind, Tally]


def merge(into: Tallies, more: Tallies) -> None:
    """Take in tallies, each by its kind."""
    for kind, tally in more.items():
        into.setdefault(kind, Tally()).merge(tally)


def to_list(tallies: Tallies) -> list[dict[str, Any]]:
    """Return all that is known, of types that JSON has."""
    return [
        asdict(kind)
        | {"images": tally.images, "first": tally.first, "moments": tally.moments.to_dict()}
        | {"histogram": None if tally.histogram is None else tally.histogram.to_dict()}
        for kind, tally in tallies.items()
    ]


def from_list(found: list[Mapping[str, Any]]) -> Tallies:
    """Return what `to_list` gave; a KeyError, TypeError or ValueError if it gave no such thing."""
    result: Tallies = {}
    for one in found:
        channels = tuple(map(str, one["channels"]))
        kind = Kind(str(one["name"]), channels, str(one["dtype"]), bool(one["converts"]))
        moments = Moments.from_dict(one["moments"])
        if moments.count.shape != (len(channels),):
            raise ValueError(f"moments must be of {len(channels)} channels")
        histogram = None
        if one["histogram"] is not None:
            histogram = histograms.from_dict(kind.dtype, len(channels), one["histogram"])
        result[kind] = Tally(int(one["images"]), str(one["first"]), moments, histogram)
    return result
