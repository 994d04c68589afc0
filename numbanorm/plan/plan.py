"""`Plan`: what a norm makes of x's shape, which is taken to be one that the norm can work on."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from numbanorm.plan.view import View, batch_view, group_view, instance_view, row_view

if TYPE_CHECKING:
    from collections.abc import Callable


class Plan(NamedTuple):
    """What a norm has to do with an x of some shape.

    Attributes
    ----------
    parameters, statistics : tuple of int
        The shapes of weight and bias, and of means and variances.
    values : int
        How many values of x a statistic is of.
    view : tuple of int
        What x's memory is to a kernel; see `numbanorm.plan.view`.
    axes : tuple of int or None
        The permutation of x's axes that makes the other layout of it, if there is another.
    swapped : tuple of int
        What x's memory is if that permutation, not x, is C-contiguous.
    """

    parameters: tuple[int, ...]
    statistics: tuple[int, ...]
    values: int
    view: View
    axes: tuple[int, ...] | None
    swapped: View


def spatial_size(shape: tuple[int, ...], layout: str) -> int:
    """Return how many values a channel of a sample has."""
    return math.prod(shape[2:] if layout == "NCHW" else shape[1:-1])


def batch(shape: tuple[int, ...], layout: str, channels: int) -> Plan:
    """Return what batch norm has to do: a statistic per channel."""
    return _of_channels(shape, layout, channels, (channels,), batch_view)


def instance(shape: tuple[int, ...], layout: str, channels: int) -> Plan:
    """Return what instance norm has to do: a statistic per sample and channel."""
    return _of_channels(shape, layout, channels, (shape[0], channels), instance_view)


def group(shape: tuple[int, ...], layout: str, channels: int, groups: int) -> Plan:
    """Return what group norm has to do: a statistic per sample and group of channels."""
    view = partial(group_view, groups=groups)
    return _of_channels(shape, layout, channels, (shape[0], groups), view)


def _of_channels(
    shape: tuple[int, ...],
    layout: str,
    channels: int,
    statistics: tuple[int, ...],
    view: Callable[[bool, int, int, int], View],
) -> Plan:
    """Return what a norm with these statistics has to do, and a parameter per channel."""
    ndim, first = len(shape), layout == "NCHW"
    sizes = shape[0], channels, spatial_size(shape, layout)
    axes = (0, *range(2, ndim), 1) if first else (0, ndim - 1, *range(1, ndim - 1))
    values = math.prod(shape) // max(1, math.prod(statistics))
    return Plan((channels,), statistics, values, view(first, *sizes), axes, view(not first, *sizes))


def rows(shape: tuple[int, ...], sizes: tuple[int, ...]) -> Plan:
    """Return what layer and RMS norm have to do: a statistic per row of the last axes."""
    size, total = math.prod(sizes), math.prod(shape)
    view = row_view(total // size if size else 0, size)
    # Rows are the last axes, in memory too: there is no other order.
    statistics = shape[: len(shape) - len(sizes)] + (1,) * len(sizes)
    return Plan(sizes, statistics, size, view, None, view)
