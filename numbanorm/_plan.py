"""Where kernels find what is now in `numbanorm.plan`."""

from numbanorm.plan.routes import (
    ACROSS,
    ALONG,
    FEW,
    ROWS,
    TWO_PASSES,
    affine_route,
    backward_route,
    forward_route,
    goes_along,
    has_rows,
    moments_route,
    shared_out,
    workers_for,
)
from numbanorm.plan.slabs import (
    across_fits,
    across_room,
    across_slab,
    least_common_multiple,
    spread_of,
    takes_entries,
)
from numbanorm.plan.tuning import PARALLEL_ELEMENTS
from numbanorm.plan.view import (
    View,
    batch_view,
    group_view,
    instance_view,
    row_view,
    size_of,
)

__all__ = [
    "ACROSS", "ALONG", "FEW", "PARALLEL_ELEMENTS", "ROWS", "TWO_PASSES", "View", "across_fits",
    "across_room", "across_slab", "affine_route", "backward_route", "batch_view", "forward_route",
    "goes_along", "group_view", "has_rows", "instance_view", "least_common_multiple",
    "moments_route", "row_view", "shared_out", "size_of", "spread_of", "takes_entries",
    "workers_for",
]  # fmt: skip
