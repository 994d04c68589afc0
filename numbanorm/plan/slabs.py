"""How columns are cut into slabs where work goes across memory, so that a slab stays in cache."""

from numbanorm.plan.tiles import folds
from numbanorm.plan.tuning import (
    LEAST_SLAB,
    NARROW_SLAB,
    SLAB_COLUMNS,
    SLAB_ELEMENTS,
    SPREAD_COLUMNS,
)
from numbanorm.plan.view import View


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
    fitting = min(SLAB_COLUMNS, max(SLAB_ELEMENTS // outer, LEAST_SLAB * lanes))
    # Slabs of whole cache lines where a few statistics make one.
    unit = least_common_multiple(per, lanes)
    unit = unit if unit <= SLAB_COLUMNS else per
    if per == 1 and fitting < NARROW_SLAB * lanes:
        # Rows of a narrow slab of NHWC channels would be too short to read fast.
        fitting = SLAB_COLUMNS
    return min(columns, max(unit, fitting // unit * unit))


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


def spread_of(rows: int, columns: int) -> int:
    """Return how far apart the eight rows of a tile lie that are read at once; 0 for side by side.

    Eight places of a contiguous tile are read 13 % faster than eight rows in turn. It is the order
    of sums, so that it hangs on the view's columns, not on a slab's, whose number the threads' is.
    """
    return rows // 8 if columns <= SPREAD_COLUMNS else 0


def slab_bounds(columns: int, size: int, lead: int, index: int) -> tuple[int, int]:
    """Return the first column and the one behind the last of a slab of `size` columns.

    The first slab is `lead` columns wider, which puts all others on a cache line.
    """
    start = lead + index * size if index > 0 else 0
    stop = lead + (index + 1) * size
    return start, (stop if stop < columns else columns)


def slab_count(columns: int, size: int, lead: int) -> int:
    """Return the number of such slabs."""
    count = (columns - lead + size - 1) // size
    return count if count > 1 else 1
