"""What the public functions call: kernels on a view, serial or parallel, loaded when first needed.

Everything here works on flat C-contiguous arrays and a view (batch, outer, group, width, run); see
`numbanorm._view`. Means and variances are float64 arrays of batch * group values, or, where they
are given, of x's type. weight and bias may be None.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numbanorm import _threads, _tiles

View = tuple[int, int, int, int, int]
Array = NDArray[Any]

# Fewer elements are worked on in the calling thread: a launch costs about as much as 50,000.
PARALLEL_ELEMENTS = 1 << 16

# Results of at least so many bytes are written past the caches. Measured with copies of 1, 4, 16 MB
# on a Xeon with 48 MB of cache: 0.8, 1.2 and 1.8 times as fast as ordinary stores on two threads.
STREAM_BYTES = 1 << 22

# Statistics of at least this many contiguous elements are read along memory, others across it.
ALONG_RUN = 128

# Columns of an across slab: its coefficients and sums then fit the second-level cache.
SLAB_COLUMNS = 1600

# Elements of a slab whose rows stay in the second-level cache between two passes.
SLAB_ELEMENTS = 1 << 17

_NONE = {np.dtype(t): np.empty(0, t) for t in (np.float32, np.float64)}

_loaded: Any = None


class _Kernels:
    """The kernel modules, imported together: this is what first imports Numba."""

    def __init__(self) -> None:
        from numbanorm.kernels import (
            backward_across,
            backward_along,
            copying,
            forward_across,
            forward_along,
            running,
        )

        self.along, self.across = forward_along, forward_across
        self.back_along, self.back_across = backward_along, backward_across
        self.copying, self.running = copying, running


def kernels() -> Any:
    """Return the kernel modules."""
    global _loaded
    if _loaded is None:
        _loaded = _Kernels()
    return _loaded


def workers_for(elements: int) -> int:
    """Return how many threads shall work on an array of so many elements."""
    return 1 if elements < PARALLEL_ELEMENTS else _threads.get_num_threads()


def _queue(workers: int) -> Array:
    """Return a counter of work taken for each worker, each on a cache line of its own."""
    return np.zeros(_tiles.SPACING * workers, np.int64)


def goes_along(view: View) -> bool:
    """Return whether statistics are read along memory, in contiguous runs, rather than across."""
    _, outer, _, width, run = view
    return outer < 8 or width * run >= ALONG_RUN


class _Across:
    """How an across kernel cuts x: the slab, and the working memory of each worker."""

    def __init__(self, x: Array, view: View, workers: int) -> None:
        _, outer, group, width, run = view
        per, columns, lanes = width * run, group * width * run, 64 // x.itemsize
        self.fold = _tiles.folds(columns, lanes)
        self.rows, self.tiles = _tiles.across_tiles(outer, columns, self.fold)
        self.slab = columns
        if self.fold == 1:
            fitting = min(SLAB_COLUMNS, max(SLAB_ELEMENTS // outer, 4 * lanes))
            # Slabs of whole cache lines where a few statistics make one.
            unit = math.lcm(per, lanes)
            unit = unit if unit <= SLAB_COLUMNS else per
            if per == 1 and fitting < 32 * lanes:
                # Rows of a narrow slab of NHWC channels would be too short to read fast.
                fitting = SLAB_COLUMNS
            self.slab = min(columns, max(unit, fitting // unit * unit))
        # A lead, the copy that lets rows wrap around, and a vector of slack on both sides.
        self.room = (self.slab + lanes) * self.fold + 4 * lanes
        self.fits = outer * self.slab <= 2 * SLAB_ELEMENTS and columns >= workers * self.slab

    def sums(self, workers: int, arrays: int) -> Array:
        """Return float64 room for each worker's column sums."""
        return np.empty(workers * arrays * self.room)

    def coefficients(self, workers: int, arrays: int, dtype: Any) -> Array:
        """Return room for each worker's coefficients."""
        return np.empty((workers * arrays + 1) * self.room, dtype)


def moments(x: Array, view: View) -> tuple[Array, Array]:
    """Return the mean and the biased variance of each statistic, in float64."""
    batch, outer, group, width, run = view
    mean, var = np.empty(batch * group), np.empty(batch * group)
    k, workers = kernels(), workers_for(x.size)
    counter = _queue(workers)
    args: tuple[Any, ...]
    if goes_along(view):
        _, _, tiles = _tiles.along_tiles(outer, width * run)
        args = x, mean, var, view, np.empty(3 * batch * group * tiles), counter
        _threads.run(k.along.moments_serial, k.along.moments_parallel, args, workers)
    else:
        cut = _Across(x, view, workers)
        partial = np.empty(2 * batch * cut.tiles * group)
        work = cut.sums(workers, k.across.SUMS)
        args = x, mean, var, view, partial, cut.slab, work, cut.room, counter
        _threads.run(k.across.moments_serial, k.across.moments_parallel, args, workers)
    return mean, var


def affine(
    y: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    var: Array,
    eps: float,
    view: View,
    backwards: bool = False,
) -> None:
    """Normalise x into y by given means and variances."""
    none = _NONE[x.dtype]
    weight, bias = none if weight is None else weight, none if bias is None else bias
    k, workers = kernels(), workers_for(x.size)
    counter = _queue(workers)
    streamed = y.nbytes >= STREAM_BYTES
    args: tuple[Any, ...] = y, x, weight, bias, mean, var, eps, view, backwards
    if view[4] >= ALONG_RUN or goes_along(view):
        args = *args, streamed, counter
        _threads.run(k.along.affine_serial, k.along.affine_parallel, args, workers)
    else:
        cut = _Across(x, view, workers)
        coefs = cut.coefficients(workers, k.across.COEFFICIENTS, x.dtype)
        args = *args, cut.slab, coefs, cut.room, streamed, counter
        _threads.run(k.across.affine_serial, k.across.affine_parallel, args, workers)


def normalize(
    y: Array, x: Array, weight: Array | None, bias: Array | None, eps: float, view: View
) -> tuple[Array, Array]:
    """Normalise x into y by its own statistics; returns their means and biased variances."""
    batch, _, group, _, _ = view
    workers = workers_for(x.size)
    along = goes_along(view)
    if along and 1 < workers and batch * group < 4 * workers and batch * group % workers:
        return _in_two_passes(y, x, weight, bias, eps, view)
    cut = None if along else _Across(x, view, workers)
    if cut is not None and workers > 1 and not cut.fits:
        return _in_two_passes(y, x, weight, bias, eps, view)
    none = _NONE[x.dtype]
    weight, bias = none if weight is None else weight, none if bias is None else bias
    mean, var = np.empty(batch * group), np.empty(batch * group)
    k, counter, streamed = kernels(), _queue(workers), y.nbytes >= STREAM_BYTES
    args: tuple[Any, ...] = y, x, weight, bias, mean, var, eps, view
    if cut is None:
        args = *args, streamed, counter
        _threads.run(k.along.normalize_serial, k.along.normalize_parallel, args, workers)
    else:
        work = cut.sums(workers, k.across.SUMS)
        coefs = cut.coefficients(workers, k.across.COEFFICIENTS, x.dtype)
        args = *args, cut.slab, work, coefs, cut.room, streamed, counter
        _threads.run(k.across.normalize_serial, k.across.normalize_parallel, args, workers)
    return mean, var


def _in_two_passes(
    y: Array, x: Array, weight: Array | None, bias: Array | None, eps: float, view: View
) -> tuple[Array, Array]:
    """Read all of x, then normalise it, starting with what was read last."""
    mean, var = moments(x, view)
    affine(y, x, weight, bias, mean, var, eps, view, backwards=True)
    return mean, var


def backward(
    dx: Array,
    dy: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    rstd: Array,
    view: View,
    training: bool,
) -> tuple[Array, Array]:
    """Write the gradient of x; returns those of weight and bias, in x's type."""
    # Statistics of either type, one compiled kernel.
    mean, rstd = mean.astype(np.float64), rstd.astype(np.float64)
    batch, outer, group, width, run = view
    lines, workers = batch * group * width, workers_for(x.size)
    totals, table = np.empty(3 * lines), np.empty(5 * batch * group)
    weight = _NONE[x.dtype] if weight is None else weight
    k, streamed = kernels(), dx.nbytes >= STREAM_BYTES
    given = dx, dy, x, weight, mean, rstd, totals
    args: tuple[Any, ...]
    if goes_along(view):
        if 1 < workers and lines < 4 * workers and lines % workers:
            _, _, tiles = _tiles.along_tiles(outer, run)
            partial, counter = np.empty(3 * lines * tiles), _queue(workers)
            along = k.back_along
            args = dy, x, mean, totals, view, partial, counter
            _threads.run(along.sums_serial, along.sums_parallel, args, workers)
            args = *given, table, view, training, streamed, _queue(workers)
            _threads.run(along.apply_serial, along.apply_parallel, args, workers)
        else:
            args = *given, view, training, streamed, _queue(workers)
            back = k.back_along
            _threads.run(back.backward_serial, back.backward_parallel, args, workers)
    else:
        _backward_across(given, table, view, training, streamed, workers)
    if batch > 1:
        sums = totals.reshape(3, batch, group * width).sum(axis=1)
    else:
        sums = totals.reshape(3, lines)
    return sums[1].astype(x.dtype), sums[0].astype(x.dtype)


def _backward_across(
    given: tuple[Array, ...],
    table: Array,
    view: View,
    training: bool,
    streamed: bool,
    workers: int,
) -> None:
    _, dy, x, _, mean, _, totals = given
    back, cut = kernels().back_across, _Across(x, view, workers)
    work = cut.sums(workers, back.SUMS)
    coefs = cut.coefficients(workers, back.COEFFICIENTS, x.dtype)
    args: tuple[Any, ...]
    if workers > 1 and not cut.fits:
        partial = np.empty(3 * cut.tiles * totals.size // 3)
        args = dy, x, mean, totals, view, partial, cut.slab, work, cut.room
        _threads.run(back.sums_serial, back.sums_parallel, (*args, _queue(workers)), workers)
        args = *given, table, view, training, cut.slab, coefs, cut.room, streamed
        _threads.run(back.apply_serial, back.apply_parallel, (*args, _queue(workers)), workers)
    else:
        args = *given, table, view, training, cut.slab, work, coefs, cut.room, streamed
        _threads.run(
            back.backward_serial, back.backward_parallel, (*args, _queue(workers)), workers
        )


def update_running(
    running_mean: Array | None,
    running_var: Array | None,
    mean: Array,
    var: Array,
    momentum: float,
    unbiased: float,
) -> None:
    """Set running arrays, C-contiguous, to (1 - momentum) * running + momentum * batch.

    The batch's variance is multiplied by `unbiased`.
    """
    given = running_var if running_mean is None else running_mean
    none = _NONE[given.dtype]  # type: ignore[union-attr]
    running_mean = none if running_mean is None else running_mean
    running_var = none if running_var is None else running_var
    kernels().running.update_serial(running_mean, running_var, mean, var, momentum, unbiased)


def copy(y: Array, x: Array) -> None:
    """Copy x to y as fast as memory allows: what the speed of everything else is compared with."""
    k, workers = kernels().copying, workers_for(x.size)
    args = y, x, x.size, y.nbytes >= STREAM_BYTES, _queue(workers)
    _threads.run(k.copy_serial, k.copy_parallel, args, workers)
