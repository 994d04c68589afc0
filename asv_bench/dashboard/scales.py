"""Map values to positions on a chart's axis, and choose its ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Ratios spread wider than this are read on a logarithmic axis, where 1/4 is as far from 1 as 4.
WIDE = 3.0


@dataclass(frozen=True)
class Scale:
    """A linear axis from 0, or a logarithmic one around 1, of some width."""

    low: float
    high: float
    width: float
    log: bool
    ticks: tuple[float, ...]

    @property
    def origin(self) -> float:
        """The value where bars start."""
        return 1.0 if self.log else 0.0

    def at(self, value: float) -> float:
        """Return the position of a value."""
        low, high = (math.log(v) if self.log else v for v in (self.low, self.high))
        return ((math.log(value) if self.log else value) - low) / (high - low) * self.width


def scale(values: Sequence[float], ratio: bool, width: float) -> Scale:
    """Return the axis for some values; a ratio's always shows 1."""
    low, high = min(values), max(values)
    if ratio and low > 0 and max(high, 1) / min(low, 1) > WIDE and high > WIDE:
        return logarithmic(low, high, width)
    low, high = min(low, 0.0), max(high, 1.0 if ratio else 0.0)
    high = high if high > low else low + 1.0
    step = round_step(high - low)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], width, False, ticks)


def logarithmic(low: float, high: float, width: float) -> Scale:
    """Return an axis over whole powers of two."""
    first, last = min(math.floor(math.log2(low)), -1), math.ceil(math.log2(high))
    every = max(1, round((last - first) / 9))
    ticks = tuple(2.0**i for i in range(first, last + 1) if i % every == 0)
    return Scale(2.0**first, 2.0**last, width, True, ticks)


def round_step(span: float) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that makes four to eight ticks."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return next(m * power for m in (1, 2, 5, 10) if span / (m * power) <= 8)


def short(value: float) -> str:
    """Write a value with three significant digits, and no more than two decimals."""
    if math.isnan(value):
        return "none"
    if value and not 1e-2 <= abs(value) < 1e5:
        return f"{value:.3g}"
    return f"{value:.{max(0, min(2, 2 - math.floor(math.log10(abs(value) or 1))))}f}"


def tick_text(value: float) -> str:
    """Write a tick: fractions of two as such, others as short as they are."""
    if 0 < value < 1 and math.log2(value).is_integer():
        return f"1/{1 / value:g}" if value < 0.5 else "0.5"
    return f"{value:g}"
