"""What a norm makes of x's shape: the shapes of what belongs to it, and its views; or why it can't.

Small calls come by the thousand with one shape, so answers are kept. What equals an int or a str is
not always as good (1.0, True), so arguments are checked to be ints, strings or tuples of ints.
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from numbanorm import _checks, _plan

if TYPE_CHECKING:
    from collections.abc import Callable

_kept = lru_cache(maxsize=1 << 10)


class Plan(NamedTuple):
    """What a norm has to do with an x of some shape.

    Attributes
    ----------
    parameters, statistics : tuple of int
        The shapes of weight and bias, and of means and variances.
    values : int
        How many values of x a statistic is of.
    view : tuple of int
        What x's memory is to a kernel; see `numbanorm._plan`.
    axes : tuple of int or None
        The permutation of x's axes that makes the other layout of it, if there is another.
    swapped : tuple of int
        What x's memory is if that permutation, not x, is C-contiguous.
    """

    parameters: tuple[int, ...]
    statistics: tuple[int, ...]
    values: int
    view: _plan.View
    axes: tuple[int, ...] | None
    swapped: _plan.View


def _of_channels(
    shape: tuple[int, ...],
    layout: str,
    channels: int,
    statistics: tuple[int, ...],
    view: Callable[[bool, int, int, int], _plan.View],
) -> Plan:
    """Return what a norm with these statistics has to do, and a parameter per channel."""
    ndim, first = len(shape), layout == "NCHW"
    sizes = shape[0], channels, _spatial(shape, layout)
    axes = (0, *range(2, ndim), 1) if first else (0, ndim - 1, *range(1, ndim - 1))
    values = math.prod(shape) // max(1, math.prod(statistics))
    return Plan((channels,), statistics, values, view(first, *sizes), axes, view(not first, *sizes))


def _spatial(shape: tuple[int, ...], layout: str) -> int:
    """Return how many values a channel of a sample has."""
    return math.prod(shape[2:] if layout == "NCHW" else shape[1:-1])


@_kept
def batch(shape: tuple[int, ...], layout: str, training: bool) -> Plan:
    """Return what batch norm has to do: a statistic per channel."""
    channels = _checks.channels(shape, layout)
    if training:
        _checks.batch_size(shape, channels)
    return _of_channels(shape, layout, channels, (channels,), _plan.batch_view)


@_kept
def instance(shape: tuple[int, ...], layout: str, own: bool) -> Plan:
    """Return what instance norm has to do: a statistic per sample and channel, `own` or given."""
    channels = _checks.channels(shape, layout)
    if own:
        _checks.spatial_size(shape, _spatial(shape, layout))
    return _of_channels(shape, layout, channels, (shape[0], channels), _plan.instance_view)


@_kept
def group(shape: tuple[int, ...], layout: str, groups: int, forward: bool) -> Plan:
    """Return what group norm has to do: a statistic per sample and group of channels."""
    channels = _checks.channels(shape, layout)
    _checks.grouping(groups, channels)
    if forward:
        _checks.group_size(shape, groups)
    view = partial(_plan.group_view, groups=groups)
    return _of_channels(shape, layout, channels, (shape[0], groups), view)


@_kept
def rows(shape: tuple[int, ...], sizes: tuple[int, ...]) -> Plan:
    """Return what layer and RMS norm have to do: a statistic per row of the last axes."""
    _checks.last_sizes(sizes, shape)
    size, total = math.prod(sizes), math.prod(shape)
    view = _plan.row_view(total // size if size else 0, size)
    # Rows are the last axes, in memory too: there is no other order.
    statistics = shape[: len(shape) - len(sizes)] + (1,) * len(sizes)
    return Plan(sizes, statistics, size, view, None, view)
