"""What memory allows: a copy, and a sum of two arrays, to compare speeds with."""

from numbanorm._status import OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.runs import alone, write
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import at, is_null, optional, pointer
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import ceil_div, following, section, size_of, streams
from numbanorm.plan.tuning import AHEAD, CLAIM


@inlined
def same(v, coefs, given, i, part):
    """Return what was read."""
    return v


@inlined
def added(v, coefs, given, i, part):
    """Return the sum of what was read in two places."""
    return v[0] + v[1]


@leaf
def copy_worker(queue, view, args):
    """Write sections of x, or of x + z if there is a z, to y."""
    y, x, z, streamed = args
    n, ahead = size_of(view), AHEAD * lanes(y)
    parts = ceil_div(n, CLAIM)
    part, stop = following(queue, parts, 1, False, -1, 0)
    while part < parts:
        first, end = section(n, parts, part)
        to, size = at(y, first), end - first
        if is_null(z):
            write(same, alone(to, at(x, first), size, (), None, streamed), ahead)
        else:
            write(added, alone(to, at((x, z), first), size, (), None, streamed), ahead)
        part, stop = following(queue, parts, 1, False, part, stop)
    if streamed:
        fence()


@operation
def copy(view, args, workers):
    """Write all of x, or of x + z if z is not empty, to y; `args` is (y, x, z, streamed).

    Results are written past the caches if that is above 0, as others' are if it is below.
    """
    y, x, z, streamed = args
    y, x, z = pointer(y), pointer(x), optional(z)
    arrays = 2 if is_null(z) else 3
    past = streamed > 0 or (streamed < 0 and streams(view, y, arrays, workers))
    launch(copy_worker, workers, view, (y, x, z, past))
    return OK
