"""Every rule about arguments, and every message about a broken one.

`sizes`, `scalars` and `arrays` have them, by what they are about; all are called by their names
here, as in ``checks.epsilon(eps)``. Rules that only layers have are in `numbanorm.layers.checks`.
"""

from numbanorm.calls.checks.arrays import (
    apart,
    chosen,
    data,
    inference,
    like,
    numbers,
    of_channels,
    optional,
    out,
    parameter,
    pixels,
    result,
    running,
    statistic,
)
from numbanorm.calls.checks.scalars import (
    DTYPES,
    INTEGERS,
    correction,
    dtype,
    epsilon,
    finite,
    groups,
    integer,
    layout,
    normalized_shape,
    norms,
    shape,
)
from numbanorm.calls.checks.sizes import (
    batch_size,
    channels,
    group_size,
    grouping,
    last_sizes,
    spatial_size,
)

__all__ = [
    "DTYPES", "INTEGERS", "apart", "batch_size", "channels", "chosen", "correction", "data",
    "dtype", "epsilon", "finite", "group_size", "grouping", "groups", "inference", "integer",
    "last_sizes", "layout", "like", "normalized_shape", "norms", "numbers", "of_channels",
    "optional", "out", "parameter", "pixels", "result", "running", "shape", "spatial_size",
    "statistic",
]  # fmt: skip
