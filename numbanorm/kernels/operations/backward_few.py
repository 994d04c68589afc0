"""Backward on statistics of few values, in float64 from end to end.

Their dx is what is left when terms of the size of dy cancel: of two values whose deviation is large
beside eps, a part of 1e-5 and less, which the rounding of float32 coefficients would bury.
"""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.statistics import mean_error, or_else
from numbanorm.kernels.operations.backward_along import backward_given
from numbanorm.kernels.simd.pointers import allocate, at, get, is_null, put, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import ceil_div, claim, row_tiles

# Statistics of one unit of work: those of a batch entry are shared out where entries are few.
SLAB = 1024


@leaf
def statistic_gradient(dx, dy, x, weight, mean, rstd, view, entry, group, sums, centred):
    """Write dx of one statistic, and add its gradients of weight and bias to `sums`.

    `sums` has the weight's of all groups before the bias's. If not `centred`, mean is 0.
    """
    _, outer, groups, width, run = view
    count, slots = float(outer * width * run), groups * width
    row, stride = slots * run, width * run
    first = entry * outer * row + group * stride
    error = 0.0
    if centred:
        for o in range(outer):
            for i in range(first + o * row, first + o * row + stride):
                error += get(x, i) - mean
        # float64 data have no wider type in which the mean could hold it.
        error = mean_error(error, count, mean, x)
    weighted0, weighted1 = 0.0, 0.0
    for k in range(width):
        s0, s1 = 0.0, 0.0
        for o in range(outer):
            start = first + o * row + k * run
            for i in range(start, start + run):
                s0 += get(dy, i)
                s1 += get(dy, i) * ((get(x, i) - mean - error) * rstd)
        slot = group * width + k
        put(sums, slot, get(sums, slot) + s1)
        put(sums, slots + slot, get(sums, slots + slot) + s0)
        w = or_else(weight, slot, 1.0)
        weighted0, weighted1 = weighted0 + w * s0, weighted1 + w * s1
    constant, share = weighted0 / count if centred else 0.0, weighted1 / count
    for k in range(width):
        w = or_else(weight, group * width + k, 1.0)
        for o in range(outer):
            start = first + o * row + k * run
            for i in range(start, start + run):
                x_hat = (get(x, i) - mean - error) * rstd
                put(dx, i, rstd * (w * get(dy, i) - constant - x_hat * share))


@leaf
def backward_worker(queue, view, args):
    """Take slabs of the statistics of tiles of batch entries."""
    dx, dy, x, weight, mean, rstd, partial, centred = args
    batch, _, groups, width, _ = view
    rows, tiles = row_tiles(batch, groups * width)
    slabs = ceil_div(groups, SLAB)
    unit, _ = claim(queue, tiles * slabs, 1, False)
    while unit < tiles * slabs:
        tile, first = unit // slabs, unit % slabs * SLAB
        stop, sums = min(first + SLAB, groups), at(partial, 2 * tile * groups * width)
        for slot in range(first * width, stop * width):
            put(sums, slot, 0.0)
            put(sums, groups * width + slot, 0.0)
        for entry in range(tile * rows, min((tile + 1) * rows, batch)):
            for group in range(first, stop):
                s = entry * groups + group
                statistic_gradient(
                    dx, dy, x, weight, or_else(mean, s, 0.0), get(rstd, s), view, entry, group,
                    sums, centred,
                )  # fmt: skip
        unit, _ = claim(queue, tiles * slabs, 1, False)


@inlined
def put_sums(gradient, partial, slots, tiles, k):
    """Write a parameter's gradient: the sums of all tiles, added in order."""
    if not is_null(gradient):
        for slot in range(slots):
            found = get(partial, k * slots + slot)
            for tile in range(1, tiles):
                found += get(partial, (2 * tile + k) * slots + slot)
            put(gradient, slot, found)


@operation
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    dx, dweight, dbias, dy, x, weight, mean, rstd, _, centred = backward_given(args)
    slots = view[2] * view[3]
    _, tiles = row_tiles(view[0], slots)
    partial = allocate(2 * tiles * slots)
    if is_null(partial):
        return MEMORY
    launch(backward_worker, workers, view, (dx, dy, x, weight, mean, rstd, partial, centred))
    put_sums(dweight, partial, slots, tiles, 0)
    put_sums(dbias, partial, slots, tiles, 1)
    release(partial)
    return OK
