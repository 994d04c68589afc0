"""A copy past the caches: the speed that memory allows, which benchmarks compare with."""

from numba import prange

from numbanorm.kernels.along import peel, put_vector
from numbanorm.kernels.options import leaf, parallel, serial
from numbanorm.kernels.pointers import at, pointer
from numbanorm.kernels.tiles import CLAIM, ceil_div, claim, piece
from numbanorm.kernels.vec import fence, lanes, load, load_first, store_lanes


@leaf
def copy_worker(y, x, n, streamed, counter):
    """Copy pieces of n contiguous elements from x to y."""
    y, x = pointer(y), pointer(x)
    parts, step = ceil_div(n, CLAIM), lanes(pointer(x))
    part = claim(pointer(counter), 1)
    while part < parts:
        first, stop = piece(n, parts, part)
        head = first + peel(at(y, first), stop - first, streamed)
        last = stop - (stop - head) % step
        store_lanes(at(y, first), load_first(at(x, first), head - first), 0, head - first)
        for i in range(head, last, step):
            put_vector(at(y, i), load(at(x, i)), streamed)
        store_lanes(at(y, last), load_first(at(x, last), stop - last), 0, stop - last)
        part = claim(pointer(counter), 1)
    if streamed:
        fence()


@serial
def copy_serial(y, x, n, streamed, counter):
    """Copy n contiguous elements from x to y."""
    copy_worker(y, x, n, streamed, counter)


@parallel
def copy_parallel(y, x, n, streamed, counter, workers):
    """Like `copy_serial`, on several threads."""
    for _ in prange(workers):
        copy_worker(y, x, n, streamed, counter)
