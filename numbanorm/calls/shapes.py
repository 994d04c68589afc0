"""x's shape, checked for a norm, and the plan the norm makes of it.

Small calls come by the thousand with one shape, so answers are kept. What equals an int or a str is
not always as good (1.0, True), so arguments are checked to be ints, strings or tuples of ints.
"""

from __future__ import annotations

from functools import lru_cache

from numbanorm.calls import checks
from numbanorm.plan import plan
from numbanorm.plan.plan import Plan

_kept = lru_cache(maxsize=1 << 10)


@_kept
def batch(shape: tuple[int, ...], layout: str, training: bool) -> Plan:
    """Return batch norm's plan; in `training` the statistics are x's own."""
    channels = checks.channels(shape, layout)
    if training:
        checks.batch_size(shape, channels)
    return plan.batch(shape, layout, channels)


@_kept
def instance(shape: tuple[int, ...], layout: str, own: bool) -> Plan:
    """Return instance norm's plan; the statistics are x's `own`, or given."""
    channels = checks.channels(shape, layout)
    if own:
        checks.spatial_size(shape, plan.spatial_size(shape, layout))
    return plan.instance(shape, layout, channels)


@_kept
def group(shape: tuple[int, ...], layout: str, groups: int, forward: bool) -> Plan:
    """Return group norm's plan."""
    channels = checks.channels(shape, layout)
    checks.grouping(groups, channels)
    if forward:
        checks.group_size(shape, groups)
    return plan.group(shape, layout, channels, groups)


@_kept
def rows(shape: tuple[int, ...], sizes: tuple[int, ...]) -> Plan:
    """Return layer and RMS norm's plan."""
    checks.last_sizes(sizes, shape)
    return plan.rows(shape, sizes)
