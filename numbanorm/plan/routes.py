"""Which loops work on a view, and on how many threads.

Plain Python, for the public functions to choose what to call, and compiled by
`numbanorm.kernels.tiles`, for C.
"""

from numbanorm.plan.slabs import across_fits
from numbanorm.plan.tuning import (
    ALONG_RUN,
    ALONG_TILE,
    ALONG_WIDTH,
    FEW_CHUNKS,
    FEW_VALUES,
    MAX_WORKERS,
    PARALLEL_ELEMENTS,
    UNITS_EACH,
)
from numbanorm.plan.view import View

# How a forward pass goes: the loops of a kind, or two passes where each thread has too few
# statistics of its own for one.
ALONG, ACROSS, ROWS, TWO_PASSES = 0, 1, 2, 3

# How a backward pass goes, besides: in float64 where a statistic has fewer than FEW_VALUES.
FEW = 4


def workers_for(elements: int, threads: int) -> int:
    """Return how many of `threads` threads shall work on an array of so many elements."""
    if elements < PARALLEL_ELEMENTS:
        return 1
    return max(1, min(threads, MAX_WORKERS))


def goes_along(view: View) -> bool:
    """Return whether statistics are read along memory, in contiguous runs, rather than across."""
    _, outer, _, width, run = view
    if run == 1:
        return outer == 1 or (outer < FEW_CHUNKS and width >= ALONG_WIDTH)
    return outer < FEW_CHUNKS or width * run >= ALONG_RUN


def has_rows(view: View) -> bool:
    """Return whether statistics are rows: contiguous, and small or with a weight per element."""
    _, outer, _, width, run = view
    return outer == 1 and (run == 1 or width * run <= ALONG_TILE)


def shared_out(units: int, workers: int) -> bool:
    """Return whether so many units of work give each thread about as much."""
    return workers == 1 or units >= UNITS_EACH * workers or units % workers == 0


def forward_route(view: View, lanes: int, workers: int) -> int:
    """Return how x is normalised by its own statistics."""
    batch, outer, group, width, run = view
    if not goes_along(view):
        return ACROSS if across_fits(view, lanes, workers) else TWO_PASSES
    if (width > 1 == run and outer > 1) or not shared_out(batch * group, workers):
        return TWO_PASSES
    return ROWS if has_rows(view) else ALONG


def moments_route(view: View) -> int:
    """Return how statistics alone are found."""
    return ALONG if goes_along(view) else ACROSS


def affine_route(view: View) -> int:
    """Return how x is normalised by given statistics."""
    _, _, _, width, run = view
    if width > 1 == run and goes_along(view):
        return ROWS
    return ALONG if run >= ALONG_RUN or goes_along(view) else ACROSS


def backward_route(view: View, training: bool) -> int:
    """Return how gradients are found."""
    _, outer, _, width, run = view
    if training and outer * width * run < FEW_VALUES:
        return FEW
    if outer == run == 1 and training:
        return ROWS
    return moments_route(view)
