"""The cutting of work (`numbanorm._tiles`), compiled, and the claiming of it by threads."""

from numbanorm import _tiles
from numbanorm._tiles import ALONG_TILE, CLAIM, SPACING
from numbanorm.kernels.options import inlined, leaf
from numbanorm.kernels.pointers import at, fetch_add

along_tiles = inlined(_tiles.along_tiles)
piece = inlined(_tiles.piece)
folds = inlined(_tiles.folds)
across_tiles = inlined(_tiles.across_tiles)
row_tiles = inlined(_tiles.row_tiles)
slab_bounds = inlined(_tiles.slab_bounds)
slab_count = inlined(_tiles.slab_count)

__all__ = [
    "ALONG_TILE",
    "CLAIM",
    "across_tiles",
    "along_tiles",
    "ceil_div",
    "claim",
    "folds",
    "piece",
    "row_tiles",
    "slab_bounds",
    "slab_count",
]


@inlined
def ceil_div(a, b):
    """Return a / b rounded up."""
    return (a + b - 1) // b


@leaf
def claim(queue, units, step, backwards):
    """Take up to `step` units of work; returns the first and how many, 0 where none is left.

    The queue is (counters, worker, workers). Each worker starts with its own equal share, so that
    from call to call the same data meet the same core's cache, and then helps others with theirs.
    `backwards` takes each share from its end.
    """
    counters, worker, workers = queue
    for k in range(workers):
        owner = (worker + k) % workers
        start, stop = units * owner // workers, units * (owner + 1) // workers
        taken = fetch_add(at(counters, owner * SPACING), step)
        if taken < stop - start:
            count = min(step, stop - start - taken)
            return (stop - taken - count if backwards else start + taken), count
    return units, 0
