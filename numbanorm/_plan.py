"""How a norm sees memory, which loops work on that, on how many threads, in what slabs.

A view is (batch, outer, group, width, run): C-contiguous memory of that shape, whose statistics
reduce outer, width and run, and whose weight and bias have shape (group, width).

The functions are plain Python, for the public functions to choose what to call, and compiled by
`numbanorm.kernels.tiles`, for C.
"""

from numbanorm._tiles import ALONG_TILE, MAX_WORKERS, folds

View = tuple[int, int, int, int, int]

# Fewer elements are worked on in the calling thread. A launch costs as much as 10,000 when threads
# are still awake from the last one, and as 200,000 and more when they sleep: Linux may wake a
# thread on the core of its waker, and leave the two there for milliseconds.
PARALLEL_ELEMENTS = 1 << 17

# Statistics of at least this many contiguous elements are read along memory, others across it.
ALONG_RUN = 128

# Columns of an across slab: its coefficients and sums then fit the second-level cache.
SLAB_COLUMNS = 1600

# Elements of a slab whose rows stay in the second-level cache between two passes.
SLAB_ELEMENTS = 1 << 17

# How a forward pass goes: the loops of a kind, or two passes where each thread has too few
# statistics of its own for one.
ALONG, ACROSS, ROWS, TWO_PASSES = 0, 1, 2, 3

# How a backward pass goes, besides: in float64 where a statistic has fewer than so many values.
FEW, FEW_VALUES = 4, 8


def batch_view(first: bool, n: int, channels: int, spatial: int) -> View:
    """Return the view of batch norm, channels first in memory or last: a statistic per channel."""
    return (1, n, channels, 1, spatial) if first else (1, n * spatial, channels, 1, 1)


def group_view(first: bool, n: int, channels: int, spatial: int, groups: int) -> View:
    """Return the view of group norm: a statistic per sample and group of adjacent channels."""
    width = channels // groups if groups else 0
    return (n, 1, groups, width, spatial) if first else (n, spatial, groups, width, 1)


def instance_view(first: bool, n: int, channels: int, spatial: int) -> View:
    """Return the view of instance norm: a statistic per sample and channel."""
    return (n, 1, channels, 1, spatial) if first else (n, spatial, channels, 1, 1)


def row_view(rows: int, size: int) -> View:
    """Return the view of layer and RMS norm: a statistic per row, a weight per element."""
    return rows, 1, 1, size, 1


def size_of(view: View) -> int:
    """Return the number of x's elements."""
    batch, outer, group, width, run = view
    return batch * outer * group * width * run


def workers_for(elements: int, threads: int) -> int:
    """Return how many of `threads` threads shall work on an array of so many elements."""
    if elements < PARALLEL_ELEMENTS:
        return 1
    return max(1, min(threads, MAX_WORKERS))


def goes_along(view: View) -> bool:
    """Return whether statistics are read along memory, in contiguous runs, rather than across."""
    _, outer, _, width, run = view
    if run == 1:
        return outer == 1 or (outer < 8 and width >= 8)
    return outer < 8 or width * run >= ALONG_RUN


def has_rows(view: View) -> bool:
    """Return whether statistics are rows: contiguous, and small or with a weight per element."""
    _, outer, _, width, run = view
    return outer == 1 and (run == 1 or width * run <= ALONG_TILE)


def least_common_multiple(a: int, b: int) -> int:
    """Return the least common multiple of two positive integers."""
    m, n = a, b
    while n != 0:
        m, n = n, m % n
    return a // m * b


def takes_entries(view: View, lanes: int, workers: int) -> bool:
    """Return whether a thread that goes across takes whole batch entries: there are enough."""
    batch, _, group, width, run = view
    return 1 < batch >= workers and group * width * run <= 2 * SLAB_COLUMNS


def across_slab(view: View, lanes: int, workers: int) -> int:
    """Return how many columns are worked on together across memory: all, or a slab of them."""
    _, outer, group, width, run = view
    per, columns = width * run, group * width * run
    if folds(columns, lanes) > 1 or takes_entries(view, lanes, workers):
        return columns
    fitting = min(SLAB_COLUMNS, max(SLAB_ELEMENTS // outer, 4 * lanes))
    # Slabs of whole cache lines where a few statistics make one.
    unit = least_common_multiple(per, lanes)
    unit = unit if unit <= SLAB_COLUMNS else per
    if per == 1 and fitting < 32 * lanes:
        # Rows of a narrow slab of NHWC channels would be too short to read fast.
        fitting = SLAB_COLUMNS
    return min(columns, max(unit, fitting // unit * unit))


def spread_of(rows: int, columns: int) -> int:
    """Return how far apart the eight rows of a tile lie that are read at once; 0 for side by side.

    Eight places of a contiguous tile are read 13 % faster than eight rows in turn. It is the order
    of sums, so that it hangs on the view's columns, not on a slab's, whose number the threads' is.
    """
    return rows // 8 if columns <= 2 * SLAB_COLUMNS else 0


def across_fits(view: View, lanes: int, workers: int) -> bool:
    """Return whether each thread can work across memory on statistics of its own, in cache."""
    _, outer, group, width, run = view
    if workers == 1 or takes_entries(view, lanes, workers):
        return True
    slab = across_slab(view, lanes, workers)
    return group * width * run >= workers * slab and outer * slab <= 2 * SLAB_ELEMENTS


def across_room(slab: int, lanes: int, fold: int) -> int:
    """Return how many elements hold one value for each column of a slab.

    A lead, the copy that lets rows wrap around, and a vector of slack on both sides are counted.
    """
    return (slab + lanes) * fold + 4 * lanes


def shared_out(units: int, workers: int) -> bool:
    """Return whether so many units of work give each thread about as much."""
    return workers == 1 or units >= 4 * workers or units % workers == 0


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
