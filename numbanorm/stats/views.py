"""Where an array's channels are, and the pieces it is read in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numbanorm.stats.tallies import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm._types import Layout

    Array = NDArray[Any]

# What a piece has at most, if a row of it has no more.
PIECE_BYTES = 1 << 22

DTYPES = "uint8", "uint16", "int16", "float16", "float32", "float64"

Box = tuple[slice, ...]


class View(NamedTuple):
    """How an array is read as images."""

    layout: Layout
    # The axis of the channels; None for images without one.
    channels: int | None
    # Where an axis of length 1 is added, to make it images with channels.
    added: int | None
    images: int


def kind(shape: tuple[int, ...], view: View, dtype: np.dtype[Any]) -> Kind:
    """Return the kind of an array; a ValueError if statistics are not taken of its dtype."""
    if dtype.name not in DTYPES:
        raise ValueError(f"dtype must be {', '.join(DTYPES[:-1])} or {DTYPES[-1]}, got {dtype}")
    count = 1 if view.channels is None else shape[view.channels]
    name = f"array of {dtype.name}, {count} channel{'s' if count > 1 else ''}"
    return Kind(name, tuple(map(str, range(count))), dtype.name)


def view(shape: tuple[int, ...], layout: str | None) -> View:
    """Return how an array of this shape is read; a ValueError if that is not clear."""
    rank = len(shape)
    if 0 in shape:
        raise ValueError(f"an array must have values, got shape {shape}")
    if layout is None:
        if not ((rank == 4 and shape[-1] <= 4) or (rank == 3 and shape[-1] in (3, 4))):
            raise ValueError(
                f"--layout must say where the channels are in shape {shape}: NHWC, NCHW or NHW"
            )
        layout = "NHWC"
    if rank < (2 if layout == "NHW" else 3):
        raise ValueError(f"an array of --layout {layout} must have more axes, got shape {shape}")
    if layout == "NHW":
        return View("NHWC", None, rank, 1 if rank == 2 else shape[0])
    if rank == 3:
        return View("NHWC", 2, None, 1) if layout == "NHWC" else View("NCHW", 0, 0, 1)
    if layout == "NHWC":
        return View("NHWC", rank - 1, None, shape[0])
    return View("NCHW", 1, None, shape[0])


def with_channels(x: Array, view: View) -> Array:
    """Return a piece with the axis that the view adds."""
    return x if view.added is None else np.expand_dims(x, view.added)


def boxes(
    shape: tuple[int, ...], axes: list[int], itemsize: int, steps: tuple[int, ...]
) -> Iterator[Box]:
    """Yield the pieces of an array, in order.

    Parameters
    ----------
    shape : tuple of int
        That of the array.
    axes : list of int
        The axes to cut, that with the largest stride first, and not that of the channels.
    itemsize : int
        Bytes of an element.
    steps : tuple of int
        Lengths of which that of a piece is a multiple, for each axis: those of chunks.
    """
    size, cuts = itemsize * math.prod(shape), []
    for axis in axes:
        each, step = size // shape[axis], steps[axis]
        rows = max(1, PIECE_BYTES // (each * step)) * step
        cuts.append([slice(i, i + rows) for i in range(0, shape[axis], rows)])
        size = each * rows
        if size <= PIECE_BYTES:
            break
    for found in itertools.product(*cuts):
        box = [slice(None)] * len(shape)
        for axis, cut in zip(axes, found):
            box[axis] = cut
        yield tuple(box)
