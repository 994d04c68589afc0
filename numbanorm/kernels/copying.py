"""A copy past the caches: the speed that memory allows, which benchmarks compare with."""

from numbanorm.kernels.along_affine import peel, put_vector
from numbanorm.kernels.options import drivers, leaf
from numbanorm.kernels.pointers import at, pointer
from numbanorm.kernels.tiles import CLAIM, ceil_div, claim, piece
from numbanorm.kernels.vec import fence, lanes, load, load_first, store_lanes


@leaf
def copy_worker(worker, workers, view, args):
    """Copy pieces of the elements of x to y."""
    y, x, streamed, counter = args
    batch, outer, group, width, run = view
    n = batch * outer * group * width * run
    y, x = pointer(y), pointer(x)
    parts, step = ceil_div(n, CLAIM), lanes(pointer(x))
    queue = pointer(counter), worker, workers
    part, _ = claim(queue, parts, 1, False)
    while part < parts:
        first, stop = piece(n, parts, part)
        head = first + peel(at(y, first), stop - first, streamed)
        last = stop - (stop - head) % step
        store_lanes(at(y, first), load_first(at(x, first), head - first), 0, head - first)
        for i in range(head, last, step):
            put_vector(at(y, i), load(at(x, i)), streamed)
        store_lanes(at(y, last), load_first(at(x, last), stop - last), 0, stop - last)
        part, _ = claim(queue, parts, 1, False)
    if streamed:
        fence()


# (y, x, streamed, counter): all of x to y.
copy = drivers(copy_worker)
