"""How a view is worked on: along memory, across it or by rows, on how many threads, in what cuts.

Everything here and in `_run` and `_run_backward` works on flat C-contiguous arrays and a view
(batch, outer, group, width, run); see `numbanorm._view`.
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


def present(parameter: Array | None, like: Any) -> Array:
    """Return the parameter, or for None the empty array that means none to a kernel."""
    return _NONE[like.dtype] if parameter is None else parameter


def queue(workers: int) -> Array:
    """Return a counter of work taken for each worker, each on a cache line of its own."""
    return np.zeros(_tiles.SPACING * workers, np.int64)


def streams(y: Array) -> bool:
    """Return whether a result is so large that it is written past the caches."""
    return bool(y.nbytes >= STREAM_BYTES)


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


class Across:
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
