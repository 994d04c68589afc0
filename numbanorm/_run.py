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

# Fewer elements are worked on in the calling thread. A launch costs as much as 10,000 when threads
# are still awake from the last one, and as 200,000 and more when they sleep: Linux may wake a
# thread on the core of its waker, and leave the two there for milliseconds.
PARALLEL_ELEMENTS = 1 << 17

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
            backward_rows,
            copying,
            forward_across,
            forward_along,
            forward_rows,
            running,
        )

        self.along, self.across, self.rows = forward_along, forward_across, forward_rows
        self.back_along, self.back_across = backward_along, backward_across
        self.back_rows = backward_rows
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


def _present(parameter: Array | None, like: Any) -> Array:
    """Return the parameter, or for None the empty array that means none to a kernel."""
    return _NONE[like.dtype] if parameter is None else parameter


def _queue(workers: int) -> Array:
    """Return a counter of work taken for each worker, each on a cache line of its own."""
    return np.zeros(_tiles.SPACING * workers, np.int64)


def goes_along(view: View) -> bool:
    """Return whether statistics are read along memory, in contiguous runs, rather than across."""
    _, outer, _, width, run = view
    if run == 1:
        return outer == 1 or (outer < 8 and width >= 8)
    return outer < 8 or width * run >= ALONG_RUN


def has_rows(view: View) -> bool:
    """Return whether statistics are rows: contiguous, and small or with a weight per element."""
    _, outer, _, width, run = view
    return outer == 1 and (run == 1 or width * run <= _tiles.ALONG_TILE)


class _Across:
    """How an across kernel cuts x: the slab, and the working memory of each worker."""

    def __init__(self, x: Array, view: View, workers: int) -> None:
        batch, outer, group, width, run = view
        per, columns, lanes = width * run, group * width * run, 64 // x.itemsize
        self.fold = _tiles.folds(columns, lanes)
        self.rows, self.tiles = _tiles.across_tiles(outer, columns, self.fold)
        self.slab = columns
        # A thread takes whole batch entries, where there are enough of them, or slabs of columns.
        entries = 1 < batch >= workers and columns <= 2 * SLAB_COLUMNS
        if self.fold == 1 and not entries:
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
        slabs = columns >= workers * self.slab and outer * self.slab <= 2 * SLAB_ELEMENTS
        self.fits = entries or slabs

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
    if goes_along(view):
        _, _, tiles = _tiles.along_tiles(outer, width * run)
        partial = np.empty(3 * batch * group * tiles)
        _threads.run(k.along.moments, view, (x, mean, var, partial, _queue(workers)), workers)
    else:
        cut = _Across(x, view, workers)
        partial = np.empty(2 * batch * cut.tiles * group)
        work = cut.sums(workers, k.across.SUMS)
        args = x, mean, var, partial, cut.slab, work, cut.room, _queue(workers)
        _threads.run(k.across.moments, view, args, workers)
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
    k, workers, streamed = kernels(), workers_for(x.size), y.nbytes >= STREAM_BYTES
    weight, bias = _present(weight, x), _present(bias, x)
    given: tuple[Any, ...] = y, x, weight, bias, mean, var, eps, backwards
    if view[3] > 1 == view[4] and goes_along(view):
        _threads.run(k.rows.affine, view, (*given, streamed, _queue(workers)), workers)
    elif view[4] >= ALONG_RUN or goes_along(view):
        _threads.run(k.along.affine, view, (*given, streamed, _queue(workers)), workers)
    else:
        cut = _Across(x, view, workers)
        coefs = cut.coefficients(workers, k.across.COEFFICIENTS, x.dtype)
        args = *given, cut.slab, coefs, cut.room, streamed, _queue(workers)
        _threads.run(k.across.affine, view, args, workers)


def normalize(
    y: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    view: View,
    centred: bool = True,
) -> tuple[Array, Array]:
    """Normalise x into y by its own statistics; returns their means and biased variances.

    If not `centred` (rows only), by its mean square: the mean counts as 0.
    """
    workers, k, streamed = workers_for(x.size), kernels(), y.nbytes >= STREAM_BYTES
    if _too_few(x, view, workers):
        return _in_two_passes(y, x, weight, bias, eps, view, centred)
    mean, var = np.empty(view[0] * view[2]), np.empty(view[0] * view[2])
    given = y, x, _present(weight, x), _present(bias, x), mean, var, eps
    if has_rows(view):
        args: tuple[Any, ...] = *given, centred, streamed, _queue(workers)
        _threads.run(k.rows.normalize, view, args, workers)
    elif goes_along(view):
        _threads.run(k.along.normalize, view, (*given, streamed, _queue(workers)), workers)
    else:
        cut = _Across(x, view, workers)
        work = cut.sums(workers, k.across.SUMS)
        coefs = cut.coefficients(workers, k.across.COEFFICIENTS, x.dtype)
        args = *given, cut.slab, work, coefs, cut.room, streamed, _queue(workers)
        _threads.run(k.across.normalize, view, args, workers)
    return mean, var


def _too_few(x: Array, view: View, workers: int) -> bool:
    """Return whether there are too few statistics for each thread to work on its own ones."""
    batch, outer, group, width, run = view
    if goes_along(view):
        if width > 1 == run and outer > 1:
            return True
        return 1 < workers and batch * group < 4 * workers and batch * group % workers > 0
    return workers > 1 and not _Across(x, view, workers).fits


def _in_two_passes(
    y: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    view: View,
    centred: bool,
) -> tuple[Array, Array]:
    """Read all of x, then normalise it, starting with what was read last."""
    mean, var = moments(x, view)
    if not centred:
        var += mean * mean
        mean[:] = 0.0
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
    given = dx, dy, x, _present(weight, x), mean, rstd, totals.ravel()
    how = training, dx.nbytes >= STREAM_BYTES
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
        _threads.run(k.sums, view, (*args, _queue(workers)), workers)
        args = *given, table, training, streamed
        _threads.run(k.apply, view, (*args, _queue(workers)), workers)
    else:
        args = *given, training, streamed, _queue(workers)
        _threads.run(k.backward, view, args, workers)


def _backward_across(given: tuple[Array, ...], view: View, training: bool, streamed: bool) -> None:
    _, dy, x, _, mean, _, totals = given
    k, workers = kernels().back_across, workers_for(x.size)
    cut, table = _Across(x, view, workers), np.empty(5 * mean.size)
    work = cut.sums(workers, k.SUMS)
    coefs = cut.coefficients(workers, k.COEFFICIENTS, x.dtype)
    if workers > 1 and not cut.fits:
        partial = np.empty(cut.tiles * totals.size)
        args: tuple[Any, ...] = dy, x, mean, totals, partial, cut.slab, work, cut.room
        _threads.run(k.sums, view, (*args, _queue(workers)), workers)
        args = *given, table, training, cut.slab, coefs, cut.room, streamed
        _threads.run(k.apply, view, (*args, _queue(workers)), workers)
    else:
        args = *given, table, training, cut.slab, work, coefs, cut.room, streamed
        _threads.run(k.backward, view, (*args, _queue(workers)), workers)


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
    sums, totals, weight = np.empty(2 * tiles * room), np.empty((2, slots)), _present(weight, x)
    end = sums, totals.ravel(), room, centred, dx.nbytes >= STREAM_BYTES, _queue(workers)
    if workers > 1 and tiles < 4 * workers and tiles % workers:
        _, _, parts = _tiles.along_tiles(1, width)
        partial = np.empty(3 * batch * group * parts)
        _threads.run(k.sums, view, (dy, x, weight, mean, partial, _queue(workers)), workers)
        table = np.empty(k.TABLE * batch * group)
        args: tuple[Any, ...] = dx, dy, x, weight, mean, rstd, partial, table, *end
        _threads.run(k.apply, view, args, workers)
    else:
        args = dx, dy, x, weight, mean, rstd, *end
        _threads.run(k.backward, view, args, workers)
    return totals[0].astype(x.dtype), totals[1].astype(x.dtype)


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
    running = _present(running_mean, given), _present(running_var, given)
    kernels().running.update(*running, mean, var, momentum, unbiased)


def copy(y: Array, x: Array, z: Array | None = None) -> None:
    """Copy x, or x + z, to y as fast as memory allows: what all other speed is compared with."""
    workers = workers_for(x.size)
    args = y, x, _present(z, x), y.nbytes >= STREAM_BYTES, _queue(workers)
    _threads.run(kernels().copying.copy, (1, 1, 1, 1, x.size), args, workers)
