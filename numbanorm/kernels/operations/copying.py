"""What memory allows: a copy, and a sum of two arrays, past the caches, to compare speeds with."""

from numbanorm._status import OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_affine import peel, put_vector
from numbanorm.kernels.simd.memory import fence, lanes, load, load_first, store_lanes
from numbanorm.kernels.simd.pointers import at, is_null, optional, pointer
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import ceil_div, claim, piece, size_of, streams
from numbanorm.plan.tuning import CLAIM


@inlined
def plus(v, z, i, n):
    """Return v plus the n elements at z[i], if z is not null."""
    return v if is_null(z) else v + load_first(at(z, i), n)


@leaf
def copy_worker(queue, view, args):
    """Write pieces of x, or of x + z if there is a z, to y."""
    y, x, z, streamed = args
    n = size_of(view)
    parts, step = ceil_div(n, CLAIM), lanes(x)
    part, _ = claim(queue, parts, 1, False)
    while part < parts:
        first, stop = piece(n, parts, part)
        head = first + peel(at(y, first), stop - first, streamed)
        last = stop - (stop - head) % step
        v = plus(load_first(at(x, first), head - first), z, first, head - first)
        store_lanes(at(y, first), v, 0, head - first)
        if is_null(z):
            for i in range(head, last, step):
                put_vector(at(y, i), load(at(x, i)), streamed)
        else:
            for i in range(head, last, step):
                put_vector(at(y, i), load(at(x, i)) + load(at(z, i)), streamed)
        v = plus(load_first(at(x, last), stop - last), z, last, stop - last)
        store_lanes(at(y, last), v, 0, stop - last)
        part, _ = claim(queue, parts, 1, False)
    if streamed:
        fence()


@operation
def copy(view, args, workers):
    """Write all of x, or of x + z if z is not empty, to y; `args` is (y, x, z)."""
    y, x, z = args
    y, x, z = pointer(y), pointer(x), optional(z)
    launch(copy_worker, workers, view, (y, x, z, streams(view, y)))
    return OK
