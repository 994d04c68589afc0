"""`Moments`: statistics of channels as a value."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from numbanorm._files import read_json, write_json
from numbanorm.calls import checks, summaries, written
from numbanorm.calls.summaries import Summary
from numbanorm.plan.summary import GREATEST, LEAST

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from numbanorm._types import Array, Layout


class Moments:
    """Count, mean, variance and extremes of channels: a value that grows, merges and is stored.

    Of integers all is exact, so that any cut of the data, any order and any number of workers give
    the same bits. Of floats a mean and a sum of squared deviations are merged in float64, by the
    formula of Chan, Golub and LeVeque (1979); the mean is carried as a sum of two float64s, so that
    any number of merges leaves it its digits. Of both together the integers' part remains exact.

    ``Moments()`` is of nothing, whatever the channels; it merges as nothing.

    Attributes
    ----------
    count : ndarray, shape (C,), int64
        How many values there are, the same for all channels.
    mean : ndarray, shape (C,), float64
        NaN where there is no value. Of integers, the nearest float64 to the exact one.
    min, max : ndarray, shape (C,), int64, or where there are floats float64
        NaN where there is no value, or one is NaN.

    Notes
    -----
    `update`, `merge` and the like do all of it, or on an error nothing. One value is not for
    several threads to update at once: give each thread its own, and merge them.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> images = np.arange(48, dtype=np.uint8).reshape(2, 2, 4, 3)
    >>> m = nbn.Moments()
    >>> for image in images:
    ...     m.update(image, layout="NHWC")
    Moments(channels=3, count=8, mean=[10.5, 11.5, 12.5], std=[6.87..., 6.87..., 6.87...])
    Moments(channels=3, count=16, mean=[22.5, 23.5, 24.5], std=[13.8..., 13.8..., 13.8...])
    >>> m == nbn.Moments.of(images, layout="NHWC")
    True
    """

    __slots__ = ("_summary",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self._summary = summaries.nothing(0)

    @classmethod
    def of(cls, x: ArrayLike, *, layout: Layout = "NCHW", where: ArrayLike | None = None) -> Self:
        """Return the moments of an array.

        Parameters
        ----------
        x : array_like, shape (N, C, ...) or (N, ..., C), uint8, uint16, int16 or of floats
            Data of rank 2 or more; (H, W, C), one image, is of the latter kind.
        layout : {'NCHW', 'NHWC'}
            Whether the channels are axis 1 or the last axis.
        where : array_like of bool, optional
            Which positions count; broadcast to x's shape without the axis of channels.

        Raises
        ------
        ValueError
            If a shape or the layout is wrong.
        TypeError
            If a dtype is wrong.
        """
        made = cls()
        made._summary = summaries.of_given(x, layout, where)
        return made

    def update(
        self, x: ArrayLike, *, layout: Layout = "NCHW", where: ArrayLike | None = None
    ) -> Self:
        """Take in the values of an array, as of `of`; return the moments themselves."""
        self._take(summaries.of_given(x, layout, where))
        return self

    def merge(self, other: Moments) -> Self:
        """Take in the values of other moments; return the moments themselves.

        Raises
        ------
        ValueError
            If both have channels, and not as many.
        OverflowError
            If the count would be 2**63 or more.
        """
        self._take(_summary("other", other))
        return self

    @classmethod
    def merged(cls, several: Iterable[Moments]) -> Self:
        """Return the moments of all values of several, merged in their order."""
        made = cls()
        for i, one in enumerate(several):
            made._take(_summary(f"several[{i}]", one))
        return made

    def _take(self, more: Summary) -> None:
        """Merge a summary, unless it has no channels."""
        mine, channels = self._summary, more.values.shape[1]
        if channels == 0:
            return
        if mine.values.shape[1] not in (0, channels):
            raise ValueError(f"channels must be {mine.values.shape[1]}, as before, got {channels}")
        self._summary = more if mine.total == 0 else summaries.merged(mine, more)

    @property
    def count(self) -> Array:
        """How many values there are of each channel."""
        return np.full(self._summary.values.shape[1:], self._summary.total, np.int64)

    @property
    def mean(self) -> Array:
        """The mean of each channel."""
        return summaries.moments(self._summary, 0.0)[0]

    def var(self, correction: float = 0) -> Array:
        """Return the variance of each channel.

        Parameters
        ----------
        correction : float
            The sum of squared distances from the mean is divided by the count less this: 0 for the
            biased, 1 for the unbiased variance.

        Raises
        ------
        ValueError
            If it leaves no positive divisor.
        """
        correction = checks.correction(correction, self._summary.total)
        return summaries.moments(self._summary, correction)[1]

    def std(self, correction: float = 0) -> Array:
        """Return the root of `var`."""
        return np.sqrt(self.var(correction))

    @property
    def min(self) -> Array:
        """The least value of each channel."""
        return summaries.extreme(self._summary, LEAST)

    @property
    def max(self) -> Array:
        """The greatest value of each channel."""
        return summaries.extreme(self._summary, GREATEST)

    def to_dict(self) -> dict[str, Any]:
        """Return all there is to know, of types that JSON has; numbers keep every bit."""
        return written.to_dict(self._summary)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> Self:
        """Return the moments that `to_dict` gave.

        Raises
        ------
        ValueError
            If it gave no such thing.
        """
        made = cls()
        made._summary = written.from_dict(found)
        return made

    def arrays(self, channels: int | None = None) -> tuple[Array, Array, Array]:
        """Return copies of the arrays that `numbanorm.jit.update_moments` and C work on.

        Parameters
        ----------
        channels : int, optional
            How many there will be, where the moments are of nothing yet.

        Returns
        -------
        count, sums, values : ndarray, shapes (2,), (4, C) and (5, C), int64, int64 and float64
            Of `update_moments`.

        Raises
        ------
        ValueError
            If the moments have another number of channels.
        """
        found, known = self._summary, self._summary.values.shape[1]
        if channels is not None and known != checks.integer("channels", channels, 0):
            if known > 0:
                raise ValueError(f"channels must be {known}, as they are, got {channels}")
            found = summaries.nothing(channels)
        return found.counts.copy(), found.sums.copy(), found.values.copy()

    @classmethod
    def from_arrays(cls, count: Array, sums: Array, values: Array) -> Self:
        """Return the moments of such arrays, which are copied.

        Raises
        ------
        ValueError
            If a shape is wrong, or a number none that such arrays hold.
        TypeError
            If a dtype is wrong.
        """
        made = cls()
        made._summary = written.checked(count, sums, values)
        return made

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the moments to a file, as JSON: whole, or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the moments that `save` wrote."""
        return cls.from_dict(read_json(path))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what `to_dict` gives, which later versions read too."""
        return type(self).from_dict, (self.to_dict(),)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same values' moments, to the last bit; NaN is NaN."""
        if not isinstance(other, Moments):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __repr__(self) -> str:
        """Return the channels, the count, and the first channels' statistics."""
        channels = self._summary.values.shape[1]
        if channels == 0:
            return "Moments()"
        mean, std = (_some(values) for values in (self.mean, self.std()))
        return f"Moments(channels={channels}, count={self._summary.total}, mean={mean}, std={std})"


def _some(values: Array) -> str:
    shown = ", ".join(f"{value:.6g}" for value in values[:4].tolist())
    return f"[{shown}{', ...' if len(values) > 4 else ''}]"


def _summary(name: str, value: Any) -> Summary:
    if not isinstance(value, Moments):
        raise TypeError(f"{name} must be Moments, got {type(value).__name__}")
    return value._summary
