"""Means with error bars, of as many numbers as there are seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

# Student's t, 97.5 %, of 1 to 10 degrees of freedom, and bounds from above of 20 and more.
_T = 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228


class Interval(NamedTuple):
    """A mean and half the width of its 95 % confidence interval."""

    mean: float
    half: float

    @property
    def low(self) -> float:
        """The interval's lower end."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The interval's upper end."""
        return self.mean + self.half


def standard_error(values: Sequence[float]) -> float:
    """Return the standard error of the mean; NaN of one value.

    Examples
    --------
    >>> standard_error([1.0, 2.0, 3.0, 6.0])
    1.0801234497346435
    """
    count = len(values)
    if count < 2:
        return math.nan
    mean = sum(values) / count
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1) / count)


def interval(values: Sequence[float], overlap: float = 0.0) -> Interval:
    """Return a mean and its 95 % confidence interval, by Student's t.

    Parameters
    ----------
    values : sequence of float
        One for each seed.
    overlap : float
        The ratio of held-out digits to those learnt from, where each seed has a split of its own.
        Seeds then have most of what they learn from in common and are not independent; the
        variance of the mean is ``(1/n + overlap)`` of that of the values, not ``1/n``
        (Nadeau and Bengio, Inference for the generalization error, 2003).

    Returns
    -------
    Interval
        Its half is inf for one value, NaN for none.

    Examples
    --------
    >>> found = interval([1.0, 2.0, 3.0, 6.0])
    >>> found.mean, round(found.half, 3), round(found.low, 3)
    (3.0, 3.437, -0.437)
    >>> round(interval([1.0, 2.0, 3.0, 6.0], overlap=0.25).half, 3)  # by the root of two
    4.861
    """
    count = len(values)
    if count == 0:
        return Interval(math.nan, math.nan)
    mean = sum(values) / count
    if count == 1 or not math.isfinite(mean):
        return Interval(mean, math.inf)
    t = _T[count - 2] if count <= 11 else 2.228 if count <= 20 else 2.1
    return Interval(mean, t * standard_error(values) * math.sqrt(1 + count * overlap))
