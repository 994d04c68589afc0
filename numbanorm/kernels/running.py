"""Running statistics: an update in one call, where NumPy's several cost more than a small norm."""

from numbanorm.kernels.options import inlined, serial
from numbanorm.kernels.pointers import get, is_null, optional, pointer, put


@inlined
def blend(running, batch, n, old, new):
    """Set running to old * running + new * batch, in float64, rounded once."""
    if not is_null(running):
        for i in range(n):
            put(running, i, get(running, i) * old + get(batch, i) * new)


@serial
def update(running_mean, running_var, mean, var, momentum, unbiased):
    """Move running statistics towards a batch's, either of which may be empty (not tracked).

    `unbiased` is what the batch's variance is multiplied by.
    """
    n = mean.size
    blend(optional(running_mean), pointer(mean), n, 1.0 - momentum, momentum)
    blend(optional(running_var), pointer(var), n, 1.0 - momentum, momentum * unbiased)
