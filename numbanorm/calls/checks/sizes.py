"""Rules about x's shape: what a norm needs of it."""

from __future__ import annotations

import math
from typing import Any, NoReturn

from numbanorm._status import RULES, Status


def channels(shape: tuple[int, ...], layout: str) -> int:
    """Return the number of channels of an x of this shape, of rank 2 or more, in a known layout."""
    if len(shape) < 2:
        raise ValueError(f"x must have 2 or more dimensions, got shape {shape}")
    if layout == "NCHW":
        return shape[1]
    if layout == "NHWC":
        return shape[-1]
    unknown_layout(layout)


def unknown_layout(value: Any, name: str = "layout") -> NoReturn:
    """Refuse a layout."""
    raise ValueError(f"{RULES[Status.LAYOUT].replace('layout', name, 1)}, got {value!r}")


def batch_size(shape: tuple[int, ...], channels: int) -> None:
    """Refuse one value per channel in training: its variance is 0 whatever the value."""
    if math.prod(shape) == channels and channels:
        raise ValueError(
            f"x must have more than 1 value per channel when training, got shape {shape}"
        )


def spatial_size(shape: tuple[int, ...], spatial: int) -> None:
    """Refuse one value per channel and sample: its variance is 0 whatever the value."""
    if spatial == 1:
        raise ValueError(
            f"x must have more than 1 value per channel when normalised by its own statistics, "
            f"got shape {shape}"
        )


def grouping(groups: int, channels: int) -> None:
    """Refuse a number of groups that the channels can't be divided into."""
    if channels % groups:
        raise ValueError(f"num_groups must divide the {channels} channels, got {groups}")


def group_size(shape: tuple[int, ...], groups: int) -> None:
    """Refuse one value per group, as torch does, which counts those of all samples."""
    if math.prod(shape) == groups:
        raise ValueError(f"x must have more than 1 value per group, got shape {shape}")


def last_sizes(sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Refuse a shape of normalised axes that are not the last ones of x's."""
    if shape[-len(sizes) :] != sizes:
        raise ValueError(f"normalized_shape must be x's last sizes, got {sizes} for shape {shape}")
