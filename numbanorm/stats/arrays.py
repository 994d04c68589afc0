"""Arrays in files, by pieces: .npy mapped into memory, .npz as a stream, zarr by its chunks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.format import open_memmap

from numbanorm._refusals import needed
from numbanorm.stats import members, sources, views
from numbanorm.stats.options import Settings
from numbanorm.stats.parts import Failure, Piece, Task, reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.stats.views import Box

    Array = NDArray[Any]


@dataclass
class Source:
    """An array that can be read in pieces."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    # Its axes, that with the largest stride first.
    axes: list[int]
    steps: tuple[int, ...]
    # Returns what reads a piece; pieces are asked for in order, but may be read at any time.
    reader: Callable[[Box], Callable[[], Array]]
    # Whether the pieces are a stream, so that they must follow one another in the file.
    stream: bool = False


def pieces(file: str, settings: Settings, start: int) -> Iterator[Task]:
    """Yield the tasks of reading an array, those before `start` left out."""
    made = 0
    try:
        for number, piece in enumerate(_pieces(file, settings)):
            if number >= start:
                made += 1
                yield piece
    except Exception as error:
        yield Failure(file, reason(error), 0.0 if made else 1.0)


def _pieces(file: str, settings: Settings) -> Iterator[Piece]:
    source = _open(file, settings)
    view = views.view(source.shape, settings.layout)
    kind = views.kind(source.shape, view, source.dtype)
    axes = [axis for axis in source.axes if axis != view.channels]
    if source.stream:
        axes = list(itertools.takewhile(lambda axis: axis != view.channels, source.axes))
    boxes = list(views.boxes(source.shape, axes, source.dtype.itemsize, source.steps))
    for number, box in enumerate(boxes):
        read = partial(_read, source.reader(box), view)
        yield Piece(
            file, number, len(boxes), view.images, kind, view.layout, read, settings.histograms
        )


def _read(read: Callable[[], Array], view: views.View) -> Array:
    return views.with_channels(read(), view)


def _open(file: str, settings: Settings) -> Source:
    if sources.suffix(file) == ".npz":
        member = members.Member(file, settings.key)
        axes = _axes(len(member.shape), member.fortran)
        ones = (1,) * len(member.shape)
        return Source(member.shape, member.dtype, axes, ones, member.reader, True)
    if sources.suffix(file) == ".npy":
        mapped = open_memmap(file, "r")
        axes = _axes(mapped.ndim, not mapped.flags.c_contiguous)
        ones = (1,) * mapped.ndim
        return Source(mapped.shape, mapped.dtype, axes, ones, lambda box: partial(_map, file, box))
    array = needed("zarr", f"reading {file}").open_array(file, mode="r")
    steps = getattr(array, "shards", None) or array.chunks
    axes = _axes(array.ndim, False)
    return Source(array.shape, array.dtype, axes, steps, lambda box: partial(_chunk, array, box))


def _axes(rank: int, fortran: bool) -> list[int]:
    return list(range(rank))[:: -1 if fortran else 1]


def _map(file: str, box: Box) -> Array:
    # Mapped anew each time: what was read through one mapping would count as memory until its end.
    return np.asarray(open_memmap(file, "r")[box])


def _chunk(array: Any, box: Box) -> Array:
    return np.asarray(array[box])
