"""Backward on statistics of few values, in float64 from end to end.

Their dx is what is left when terms of the size of dy cancel: of two values whose deviation is large
beside eps, a part of 1e-5 and less, which the rounding of float32 coefficients would bury.
"""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.gradients import mean_error
from numbanorm.kernels.loops.statistics import or_else
from numbanorm.kernels.operations.given import backward_given, line_runs, line_start
from numbanorm.kernels.simd.pointers import at, get, is_null, put
from numbanorm.kernels.simd.room import allocate, release
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import ceil_div, claim, row_tiles
from numbanorm.plan.tuning import FEW_SLAB


@leaf
def statistic_gradient(dx, dy, forward, view, s, sums):
    """Write dx of one statistic, and add its gradients of weight and bias to `sums`.

    `sums` has the weight's of all groups before the bias's.
    """
    x, weight, _, _, _, centred = forward
    _, outer, groups, width, run = view
    count, slots, first = float(outer * width * run), groups * width, s % groups * width
    mean, rstd = or_else(forward.mean, s, 0.0), get(forward.rstd, s)
    # float64 data have no wider type in which the mean could hold it.
    error = mean_error(sum_centred(x, view, s, mean), count, mean, x) if centred else 0.0
    weighted0, weighted1 = 0.0, 0.0
    for k in range(width):
        s0, s1 = line_sums(dy, x, view, s * width + k, mean, error, rstd)
        slot = first + k
        put(sums, slot, get(sums, slot) + s1)
        put(sums, slots + slot, get(sums, slots + slot) + s0)
        w = or_else(weight, slot, 1.0)
        weighted0, weighted1 = weighted0 + w * s0, weighted1 + w * s1
    constant, share = weighted0 / count if centred else 0.0, weighted1 / count
    runs = line_runs(view)
    for k in range(width):
        w, start = or_else(weight, first + k, 1.0), line_start(view, s * width + k)
        for o in range(outer):
            for i in range(start + o * runs.stride, start + o * runs.stride + run):
                x_hat = (get(x, i) - mean - error) * rstd
                put(dx, i, rstd * (w * get(dy, i) - constant - x_hat * share))


@inlined
def sum_centred(x, view, s, mean):
    """Return the sum of x - mean over a statistic, in the order of memory."""
    _, outer, _, width, run = view
    start, stride, total = line_start(view, s * width), line_runs(view).stride, 0.0
    for o in range(outer):
        for i in range(start + o * stride, start + o * stride + width * run):
            total += get(x, i) - mean
    return total


@inlined
def line_sums(dy, x, view, line, mean, error, rstd):
    """Return the sums of dy and of dy * x_hat over a line."""
    _, outer, _, _, run = view
    start, stride, s0, s1 = line_start(view, line), line_runs(view).stride, 0.0, 0.0
    for o in range(outer):
        for i in range(start + o * stride, start + o * stride + run):
            s0 += get(dy, i)
            s1 += get(dy, i) * ((get(x, i) - mean - error) * rstd)
    return s0, s1


@leaf
def backward_worker(queue, view, args):
    """Take slabs of the statistics of tiles of batch entries."""
    dx, dy, forward, partial = args
    batch, _, groups, width, _ = view
    slots = groups * width
    rows, tiles = row_tiles(batch, slots)
    slabs = ceil_div(groups, FEW_SLAB)
    unit, _ = claim(queue, tiles * slabs, 1, False)
    while unit < tiles * slabs:
        tile, first = unit // slabs, unit % slabs * FEW_SLAB
        stop, sums = min(first + FEW_SLAB, groups), at(partial, 2 * tile * slots)
        for slot in range(first * width, stop * width):
            put(sums, slot, 0.0)
            put(sums, slots + slot, 0.0)
        for entry in range(tile * rows, min((tile + 1) * rows, batch)):
            for group in range(first, stop):
                statistic_gradient(dx, dy, forward, view, entry * groups + group, sums)
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
    to, dy, forward = backward_given(args)
    slots = view[2] * view[3]
    _, tiles = row_tiles(view[0], slots)
    partial = allocate(2 * tiles * slots)
    if is_null(partial):
        return MEMORY
    launch(backward_worker, workers, view, (to.dx, dy, forward, partial))
    put_sums(to.dweight, partial, slots, tiles, 0)
    put_sums(to.dbias, partial, slots, tiles, 1)
    release(partial)
    return OK
