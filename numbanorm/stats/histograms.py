"""Histograms of channels that grow and merge exactly: any cut and order of the data give the same.

Integers have a bin each, floats `bins.Bins`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from numbanorm.stats.bins import BARS, Bins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.stats.bins import Bars

    Array = NDArray[Any]

# Values that are counted at once: NumPy makes int64 of them.
_AT_ONCE = 1 << 19


class Histogram(Protocol):
    """What both kinds of histograms have."""

    def update(self, channels: Array) -> None:
        """Count the values of an array, whose first axis is that of the channels."""

    def merge(self, other: Any) -> None:
        """Count what another histogram of the kind has counted."""

    def bars(self, channel: int) -> Bars:
        """Return the edges of at most about `BARS` bars, and the counts between them."""

    def to_dict(self) -> dict[str, Any]:
        """Return all counts, of types that JSON has."""


class Whole:
    """A bin for each value of 8 or 16 bits."""

    def __init__(self, dtype: str, channels: int) -> None:
        limits = np.iinfo(dtype)
        self._least = int(limits.min)
        self.counts = np.zeros((channels, int(limits.max) - self._least + 1), np.int64)

    def update(self, channels: Array) -> None:
        """Count the values of an array, whose first axis is that of the channels."""
        for counts, values in zip(self.counts, channels):
            for some in _pieces(values):
                at = some if self._least == 0 else some.astype(np.intp) - self._least
                counts += np.bincount(at, minlength=len(counts))

    def merge(self, other: Whole) -> None:
        """Count what another histogram has counted."""
        self.counts += other.counts

    def bars(self, channel: int) -> Bars:
        """Return the edges of 256 bars, and the counts between them."""
        counts = self.counts[channel]
        width = len(counts) // BARS
        edges = self._least - 0.5 + width * np.arange(BARS + 1)
        return edges, counts.reshape(BARS, width).sum(1)

    def to_dict(self) -> dict[str, Any]:
        """Return all counts, of types that JSON has."""
        return {"counts": self.counts.tolist()}

    def read(self, found: Mapping[str, Any]) -> Self:
        """Take the counts that `to_dict` gave."""
        counts = np.array(found["counts"], np.int64)
        if counts.shape != self.counts.shape:
            raise ValueError(f"counts must have shape {self.counts.shape}, got {counts.shape}")
        self.counts = counts
        return self


class Doubling:
    """Bins for the finite floats of each channel, and how many others there are."""

    def __init__(self, channels: int) -> None:
        self.bins = [Bins() for _ in range(channels)]
        self.others = [0] * channels

    def update(self, channels: Array) -> None:
        """Count the values of an array, whose first axis is that of the channels."""
        for c, values in enumerate(channels):
            for some in _pieces(values):
                finite = some[np.isfinite(some)].astype(np.float64)
                self.others[c] += len(some) - len(finite)
                if len(finite):
                    self.bins[c].merge(Bins.of(finite))

    def merge(self, other: Doubling) -> None:
        """Count what another histogram has counted."""
        for c, (mine, more) in enumerate(zip(self.bins, other.bins)):
            mine.merge(more)
            self.others[c] += other.others[c]

    def bars(self, channel: int) -> Bars:
        """Return the edges of at most 256 bars, and the counts between them."""
        return self.bins[channel].bars()

    def to_dict(self) -> dict[str, Any]:
        """Return all counts, of types that JSON has."""
        return {
            "bins": [[one.level, one.first, one.counts.tolist()] for one in self.bins],
            "others": self.others,
        }

    def read(self, found: Mapping[str, Any]) -> Self:
        """Take the counts that `to_dict` gave."""
        bins = [Bins(int(a), int(b), np.array(c, np.int64)) for a, b, c in found["bins"]]
        others = list(map(int, found["others"]))
        if not len(bins) == len(others) == len(self.bins):
            raise ValueError(f"bins must be of {len(self.bins)} channels, got {len(bins)}")
        self.bins, self.others = bins, others
        return self


def empty(dtype: str, channels: int) -> Whole | Doubling:
    """Return a histogram of nothing."""
    return Doubling(channels) if dtype.startswith("float") else Whole(dtype, channels)


def from_dict(dtype: str, channels: int, found: Mapping[str, Any]) -> Histogram:
    """Return the histogram that `to_dict` gave."""
    return empty(dtype, channels).read(found)


def _pieces(values: Array) -> Iterator[Array]:
    flat = values.reshape(-1)
    for i in range(0, flat.size, _AT_ONCE):
        yield flat[i : i + _AT_ONCE]
