"""The cutting of work (`numbanorm.plan`), compiled, and its claiming by threads."""

from numbanorm.kernels.compile.options import inlined, leaf, shared
from numbanorm.kernels.simd.pointers import at, fetch_add
from numbanorm.kernels.simd.storage import itemsize
from numbanorm.kernels.threads.launch import stream_bytes
from numbanorm.plan.routes import (
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
    slab_bounds,
    slab_count,
    spread_of,
    takes_entries,
)
from numbanorm.plan.tiles import across_tiles, along_tiles, folds, row_tiles, section
from numbanorm.plan.tuning import SPACING
from numbanorm.plan.view import batch_view, group_view, instance_view, row_view, size_of

__all__ = [
    "across_fits",
    "across_room",
    "across_slab",
    "across_tiles",
    "affine_route",
    "along_tiles",
    "backward_route",
    "batch_view",
    "ceil_div",
    "claim",
    "folds",
    "following",
    "forward_route",
    "goes_along",
    "group_view",
    "has_rows",
    "instance_view",
    "least_common_multiple",
    "moments_route",
    "padded",
    "row_tiles",
    "row_view",
    "section",
    "shared_out",
    "size_of",
    "slab_bounds",
    "slab_count",
    "spread_of",
    "streams",
    "takes_entries",
    "workers_for",
]  # fmt: skip

# Compiled code may call these from where this module has been imported on: kernels take them from
# here, never from where they are written.
for _function in (
    across_fits, across_room, across_slab, across_tiles, affine_route, along_tiles, backward_route,
    batch_view, folds, forward_route, goes_along, group_view, has_rows, instance_view,
    least_common_multiple, moments_route, section, row_tiles, row_view, shared_out, size_of,
    slab_bounds, slab_count, spread_of, takes_entries, workers_for,
):  # fmt: skip
    shared(_function)


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


@inlined
def following(queue, units, step, backwards, unit, stop):
    """Return the unit of work after this one, and the end of those claimed with it.

    Workers begin with the unit -1 and the end 0; after the last one comes the unit `units`.
    """
    if unit + 1 < stop:
        return unit + 1, stop
    first, count = claim(queue, units, step, backwards)
    return first, first + count


@inlined
def streams(view, like, arrays, workers):
    """Return whether so many arrays are so large that the result is written past the caches."""
    return arrays * size_of(view) * itemsize(like) >= stream_bytes(workers)


@inlined
def padded(count):
    """Return a number of float64s, rounded up to whole cache lines."""
    return (count + 7) // 8 * 8
