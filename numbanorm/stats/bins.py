"""Counts of floats in bins that grow wider: any cut and order of the data give the same ones.

A channel's bins are as wide as a power of two, at multiples of it, and at most `BINS`: where a
value falls outside, pairs of bins become one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Bars = tuple[Array, Array]

BINS = 1024

# Bars of a figure.
BARS = 256

# What a bin's width is at least, as a power of two: of the largest value, and of all.
_OF_LARGEST, _OF_ALL = -40, -1000


class Bins:
    """Counts of one channel's floats, in bins that grow wider."""

    def __init__(self, level: int = _OF_ALL, first: int = 0, counts: Array | None = None) -> None:
        # A bin i has the values from (first + i) * 2**level to the next one.
        self.level, self.first = level, first
        self.counts = np.zeros(0, np.int64) if counts is None else counts

    @classmethod
    def of(cls, values: Array) -> Self:
        """Return the counts of finite float64 values."""
        ends = np.array([values.min(), values.max()])
        largest = float(np.abs(ends).max())
        level = max(math.frexp(largest)[1] + _OF_LARGEST, _OF_ALL) if largest else _OF_ALL
        while np.ptp(_places(ends, level)) >= BINS:
            level += 1
        places = _places(values, level)
        first = int(places.min())
        return cls(level, first, np.bincount(places - first))

    def merge(self, other: Bins) -> None:
        """Count what others have counted: in the bins that all values at once would have had."""
        if not len(other.counts):
            return
        if not len(self.counts):
            self.level, self.first, self.counts = other.level, other.first, other.counts
            return
        level = max(self.level, other.level)
        a, b = self._at(level), other._at(level)
        while max(a.last, b.last) - min(a.first, b.first) >= BINS:
            level += 1
            a, b = a._at(level), b._at(level)
        first = min(a.first, b.first)
        counts = np.zeros(max(a.last, b.last) - first + 1, np.int64)
        for one in a, b:
            counts[one.first - first : one.last - first + 1] += one.counts
        self.level, self.first, self.counts = level, first, counts

    @property
    def last(self) -> int:
        """The number of the last bin."""
        return self.first + len(self.counts) - 1

    def _at(self, level: int) -> Bins:
        """Return the counts in wider bins."""
        shift = level - self.level
        places = (self.first + np.arange(len(self.counts))) >> shift
        counts = np.zeros(int(places[-1] - places[0]) + 1, np.int64)
        np.add.at(counts, places - places[0], self.counts)
        return Bins(level, int(places[0]), counts)

    def bars(self) -> Bars:
        """Return the edges of at most 256 bars, and the counts between them."""
        found = self
        while len(found.counts) > BARS:
            found = found._at(found.level + 1)
        edges = np.ldexp(found.first + np.arange(len(found.counts) + 1.0), found.level)
        return edges, found.counts


def _places(values: Array, level: int) -> Array:
    """Return the multiples of 2**level at or below values."""
    scaled = np.ldexp(values, -level)
    # The tiniest numbers underflow.
    places: Array = np.floor(scaled).astype(np.int64) - ((scaled == 0) & (values < 0))
    return places
