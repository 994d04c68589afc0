"""Where kernels find what is now in `numbanorm.plan`."""

from numbanorm.plan.slabs import slab_bounds, slab_count
from numbanorm.plan.tiles import across_tiles, along_tiles, folds, piece, row_tiles
from numbanorm.plan.tuning import ALONG_TILE, CLAIM, MAX_WORKERS, SPACING

__all__ = [
    "ALONG_TILE", "CLAIM", "MAX_WORKERS", "SPACING", "across_tiles", "along_tiles", "folds",
    "piece", "row_tiles", "slab_bounds", "slab_count",
]  # fmt: skip
