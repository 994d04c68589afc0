"""Summaries of channels: what `numbanorm.Moments` holds, found, merged and read.

See `numbanorm.kernels.operations.summaries` for what is in their arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numbanorm.calls import checks, lookup, operations, order, shapes
from numbanorm.calls.statistics import exact_sums, of_sums
from numbanorm.plan.summary import LEAST, MOST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# Elements that are gathered at once where some of x are left out.
_GATHERED = 1 << 18


class Summary(NamedTuple):
    """What is known of values of each channel: nobody writes to its arrays.

    Attributes
    ----------
    counts : ndarray, shape (2,), int64
        How many: integers, and floats.
    sums : ndarray, shape (4, C), int64
        Of integers: of values and of their squares, each as a high part and the low 32 bits.
    values : ndarray, shape (5, C), float64
        Of floats the mean, what it lacks, and the sum of squared deviations; extremes of all.
    """

    counts: Array
    sums: Array
    values: Array

    @property
    def total(self) -> int:
        """How many values each channel has."""
        integers, floats = self.counts.tolist()
        return int(integers + floats)


def nothing(channels: int) -> Summary:
    """Return the summary of no values."""
    sums, values = np.zeros((4, channels), np.int64), np.zeros((5, channels))
    return Summary(np.zeros(2, np.int64), sums, values)


def of_given(x: Any, layout: Any, where: Any = None) -> Summary:
    """Return the summary of what a user gave, or of those positions of it."""
    array, layout = checks.pixels("x", x), checks.layout(layout)
    chosen = None if where is None else checks.chosen(where, array.shape, layout)
    return of_array(array, layout, None if chosen is None or chosen.all() else chosen)


def of_array(x: Array, layout: str, where: Array | None = None) -> Summary:
    """Return the summary of x, checked by `checks.pixels`, or of those positions of it."""
    plan = shapes.batch(x.shape, layout, False)
    axis = 1 if layout == "NCHW" else x.ndim - 1
    channels = x.shape[axis]
    found = nothing(channels)
    if x.size == 0:
        return found
    if where is None:
        memory, _, view = order.arrange(x, plan)
        return Summary(_count(x.dtype, x.size // channels), *operations.summarize(memory, view))
    for rows in _chosen(np.moveaxis(x, axis, -1), where):
        found = merged(found, of_array(rows, "NHWC"))
    return found


def _count(dtype: np.dtype[Any], number: int) -> Array:
    return np.array([number, 0] if dtype in checks.INTEGERS else [0, number])


def _chosen(x: Array, where: Array) -> Iterator[Array]:
    """Yield the rows of x's last axis where it is said so, some at a time."""
    if x.size <= _GATHERED:
        yield x[where].reshape(-1, x.shape[-1])
        return
    step = max(1, _GATHERED * len(x) // x.size)
    for i in range(0, len(x), step):
        part, mask = x[i : i + step], where[i : i + step]
        if step > 1 or x.ndim == 2:
            yield part[mask].reshape(-1, x.shape[-1])
        else:
            yield from _chosen(part[0], mask[0])


def merged(a: Summary, b: Summary) -> Summary:
    """Return a new summary of both; their counts of channels are alike."""
    if a.total + b.total > MOST:
        raise OverflowError(f"counts must be at most {MOST}, got {a.total} + {b.total}")
    found = Summary(*(part.copy() for part in a))
    lookup.kernels().merging.merge(*found, *b)
    return found


def of_records(records: Array, channels: int) -> Summary:
    """Return the summary of floats, given those of parts, (count, then mean, rest, m2) each.

    They are merged in their order.
    """
    found, more = nothing(channels), nothing(channels)
    merge = lookup.kernels().merging.merge
    for record in records:
        more.counts[1], more.values[:LEAST] = record[0], record[1:].reshape(3, channels)
        merge(*found, *more)
    return found


def joined(parts: list[Summary]) -> Summary:
    """Return the summary of all channels from those of some each, in order, of as many values."""
    some = [part for part in parts if part.sums.shape[1]]
    if not some:
        return nothing(0)
    sums, values = (np.concatenate(rows, axis=1) for rows in list(zip(*some))[1:])
    return Summary(some[0].counts, sums, values)


def moments(found: Summary, correction: float) -> tuple[Array, Array]:
    """Return the mean and the variance of each channel."""
    integers, floats = found.counts.tolist()
    shape = found.values.shape[1:]
    if integers + floats == 0:
        return np.full(shape, np.nan), np.full(shape, np.nan)
    if floats == 0:
        return of_sums(exact_sums(found.sums), integers, shape, correction)
    if integers > 0:
        found = merged(_as_floats(found), found._replace(counts=np.array([0, floats])))
    centre, rest, m2 = found.values[:LEAST]
    with np.errstate(all="ignore"):
        return centre + rest, m2 / (integers + floats - correction)


def _as_floats(found: Summary) -> Summary:
    """Return a summary of the integers of one, as if they were floats."""
    count, values = int(found.counts[0]), found.values.copy()
    for c, (plain, squares) in enumerate(exact_sums(found.sums)):
        centre = plain / count
        rest = float(Fraction(plain, count) - Fraction(centre))
        values[:LEAST, c] = centre, rest, (count * squares - plain * plain) / count
    return Summary(np.array([0, count]), found.sums, values)


def extreme(found: Summary, row: int) -> Array:
    """Return the `LEAST` or the `GREATEST` value of each channel, of integers int64."""
    if found.total == 0:
        return np.full(found.values.shape[1:], np.nan)
    values = found.values[row]
    whole: Array = values.astype(np.int64) if found.counts[1] == 0 else values.copy()
    return whole
