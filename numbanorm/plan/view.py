"""How a norm sees memory: `View`, what each norm makes of a layout, and nothing of either after.

A view is (batch, outer, group, width, run): C-contiguous memory of that shape, whose statistics
reduce outer, width and run, and whose weight and bias have shape (group, width).
"""

# A bare tuple, for that is what compiled code takes and what a small call makes in no time.
View = tuple[int, int, int, int, int]


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
