"""Arrays of float64s, one for each line or column, worked on a vector at a time."""

from numbanorm.kernels.compile.options import leaf
from numbanorm.kernels.simd.memory import lanes, load, store
from numbanorm.kernels.simd.pointers import at, get, put
from numbanorm.kernels.simd.sums import load_sum, no_sum
from numbanorm.kernels.simd.vec import narrow


@leaf
def clear_all(p, n):
    """Set n float64s to zero."""
    step, zero = lanes(p), no_sum(p)
    whole = n - n % step
    for i in range(0, whole, step):
        store(at(p, i), zero)
    for i in range(whole, n):
        put(p, i, 0.0)


@leaf
def add_all(p, more, n):
    """Add n float64s to n others."""
    step = lanes(p)
    whole = n - n % step
    for i in range(0, whole, step):
        store(at(p, i), load(at(p, i)) + load(at(more, i)))
    for i in range(whole, n):
        put(p, i, get(p, i) + get(more, i))


@leaf
def round_all(to, p, n):
    """Write n float64s, rounded to what `to` points to."""
    step = lanes(to)
    whole = n - n % step
    for i in range(0, whole, step):
        store(at(to, i), narrow(load_sum(at(p, i), to), to))
    for i in range(whole, n):
        put(to, i, get(p, i))
