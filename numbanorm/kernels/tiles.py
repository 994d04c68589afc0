"""The cutting of work (`numbanorm._tiles`), compiled, and the claiming of it by threads."""

from numbanorm import _tiles
from numbanorm._tiles import CLAIM
from numbanorm.kernels.options import inlined
from numbanorm.kernels.pointers import fetch_add

along_tiles = inlined(_tiles.along_tiles)
piece = inlined(_tiles.piece)
folds = inlined(_tiles.folds)
across_tiles = inlined(_tiles.across_tiles)
slab_bounds = inlined(_tiles.slab_bounds)
slab_count = inlined(_tiles.slab_count)

__all__ = [
    "CLAIM",
    "across_tiles",
    "along_tiles",
    "ceil_div",
    "claim",
    "folds",
    "piece",
    "slab_bounds",
    "slab_count",
]


@inlined
def ceil_div(a, b):
    """Return a / b rounded up."""
    return (a + b - 1) // b


@inlined
def claim(counter, step):
    """Take the next `step` units of work; returns the first of them."""
    return fetch_add(counter, step)
