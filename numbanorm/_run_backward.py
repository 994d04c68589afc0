"""What the public functions call backward: kernels on a view, serial or parallel."""

from __future__ import annotations

from typing import Any

import numpy as np

from numbanorm import _threads, _tiles
from numbanorm._cut import (
    Across,
    Array,
    View,
    goes_along,
    kernels,
    present,
    queue,
    streams,
    workers_for,
)


def backward(
    dx: Array,
    dy: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    view: View,
    training: bool,
    centred: bool = True,
) -> tuple[Array, Array]:
    """Write the gradient of x; returns those of weight and bias, in x's type.

    If not `centred` (rows only), x was normalised by its mean square: the mean is 0, not x's.
    """
    # Statistics of either type, one compiled kernel.
    mean, rstd = mean.astype(np.float64), rstd.astype(np.float64)
    if view[1] == view[4] == 1 and training:
        return _backward_rows(dx, dy, x, weight, mean, rstd, view, centred)
    batch, _, group, width, _ = view
    totals = np.empty((3, batch, group * width))
    given = dx, dy, x, present(weight, x), mean, rstd, totals.ravel()
    how = training, streams(dx)
    (_backward_along if goes_along(view) else _backward_across)(given, view, *how)
    sums = totals.sum(axis=1) if batch > 1 else totals.reshape(3, -1)
    return sums[1].astype(x.dtype), sums[0].astype(x.dtype)


def _backward_along(given: tuple[Array, ...], view: View, training: bool, streamed: bool) -> None:
    _, dy, x, _, mean, _, totals = given
    batch, outer, group, width, run = view
    k, workers, lines = kernels().back_along, workers_for(x.size), batch * group * width
    if 1 < workers and lines < 4 * workers and lines % workers:
        _, _, tiles = _tiles.along_tiles(outer, run)
        partial, table = np.empty(3 * lines * tiles), np.empty(5 * batch * group)
        args: tuple[Any, ...] = dy, x, mean, totals, partial
        _threads.run(k.sums, view, (*args, queue(workers)), workers)
        args = *given, table, training, streamed
        _threads.run(k.apply, view, (*args, queue(workers)), workers)
    else:
        args = *given, training, streamed, queue(workers)
        _threads.run(k.backward, view, args, workers)


def _backward_across(given: tuple[Array, ...], view: View, training: bool, streamed: bool) -> None:
    _, dy, x, _, mean, _, totals = given
    k, workers = kernels().back_across, workers_for(x.size)
    cut, table = Across(x, view, workers), np.empty(5 * mean.size)
    work = cut.sums(workers, k.SUMS)
    coefs = cut.coefficients(workers, k.COEFFICIENTS, x.dtype)
    if workers > 1 and not cut.fits:
        partial = np.empty(cut.tiles * totals.size)
        args: tuple[Any, ...] = dy, x, mean, totals, partial, cut.slab, work, cut.room
        _threads.run(k.sums, view, (*args, queue(workers)), workers)
        args = *given, table, training, cut.slab, coefs, cut.room, streamed
        _threads.run(k.apply, view, (*args, queue(workers)), workers)
    else:
        args = *given, table, training, cut.slab, work, coefs, cut.room, streamed
        _threads.run(k.backward, view, (*args, queue(workers)), workers)


def _backward_rows(
    dx: Array,
    dy: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    view: View,
    centred: bool,
) -> tuple[Array, Array]:
    batch, _, group, width, _ = view
    k, workers, slots = kernels().back_rows, workers_for(x.size), group * width
    _, tiles = _tiles.row_tiles(batch, slots)
    room = slots + 2 * k.SLACK
    sums, totals, weight = np.empty(2 * tiles * room), np.empty((2, slots)), present(weight, x)
    end = sums, totals.ravel(), room, centred, streams(dx), queue(workers)
    if workers > 1 and tiles < 4 * workers and tiles % workers:
        _, _, parts = _tiles.along_tiles(1, width)
        partial = np.empty(3 * batch * group * parts)
        _threads.run(k.sums, view, (dy, x, weight, mean, partial, queue(workers)), workers)
        table = np.empty(k.TABLE * batch * group)
        args: tuple[Any, ...] = dx, dy, x, weight, mean, rstd, partial, table, *end
        _threads.run(k.apply, view, args, workers)
    else:
        args = dx, dy, x, weight, mean, rstd, *end
        _threads.run(k.backward, view, args, workers)
    return totals[0].astype(x.dtype), totals[1].astype(x.dtype)
