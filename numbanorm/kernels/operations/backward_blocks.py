"""Backward along memory for blocks of short lines, as many as a vector has lanes: the arithmetic of
their statistics and coefficients is done a vector at a time. `totals` is as in `backward_along`.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along import (
    sum_runs,
)
from numbanorm.kernels.loops.coefficients import coefficients_at
from numbanorm.kernels.loops.gradients import (
    around_mean,
    around_means,
    centres,
    gradient_centre,
    ordinary,
)
from numbanorm.kernels.loops.pieces import gradient, input_gradient
from numbanorm.kernels.loops.runs import PAIRS, alone, write
from numbanorm.kernels.loops.statistics import or_else
from numbanorm.kernels.operations.given import line_runs
from numbanorm.kernels.operations.totals import (
    finish,
)
from numbanorm.kernels.simd.memory import fence, lanes, load, store
from numbanorm.kernels.simd.pointers import at, get, put, rounded
from numbanorm.kernels.simd.room import as_computed, stack_doubles
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import splat
from numbanorm.kernels.tiles import ceil_div, following
from numbanorm.plan.tuning import AHEAD, CLAIM


class Block(NamedTuple):
    """Lines of one statistic each that follow one another, up to as many as a vector has lanes.

    `first` is the first of them, `slot` that of its weight, `e` its first element.
    """

    first: Any
    count: Any
    slot: Any
    e: Any


@inlined
def block_of(view, unit, like):
    """Return the unit-th block."""
    _, outer, group, _, run = view
    each = ceil_div(group, lanes(like))
    b, slot = unit // each, unit % each * lanes(like)
    e = (b * outer * group + slot) * run
    return Block(b * group + slot, min(lanes(like), group - slot), slot, e)


@leaf
def sum_block(view, block, dy, forward, totals, room):
    """Write the three sums of each line of a block.

    `room` is for five vectors of float64s.
    """
    first, count, _, e = block
    x, step, runs, lines = forward.x, lanes(forward.x), line_runs(view), view[0] * view[2]
    size, sums = float(runs.outer * runs.chunk), at(totals, first)
    into, of = (sums, at(sums, lines), at(sums, 2 * lines)), as_computed(room, x)
    scales, offsets = of, at(of, step)
    mean, rstd = at(forward.mean, first), at(forward.rstd, first)
    together = count == step and ordinary(load_sum(mean, x), load_sum(rstd, x), x)
    if together:
        store((scales, offsets), centres(load_sum(mean, x), load_sum(rstd, x), x))
        into = at(room, 2 * step), at(room, 3 * step), at(room, 4 * step)
    for k in range(count):
        if not together:
            centre = gradient_centre(get(mean, k), get(rstd, k), x)
            put(scales, k, centre[0])
            put(offsets, k, centre[1])
        centre = rounded(x, get(scales, k)), rounded(x, get(offsets, k))
        here = at((dy, x), e + k * runs.chunk)
        found = sum_runs(
            gradient, here, runs.outer, runs.stride, runs.chunk, splat(centre), AHEAD, PAIRS
        )
        if not together:
            found = around_mean(found, size, get(mean, k), centre)
        put(into[0], k, found[0])
        put(into[1], k, found[1])
        put(into[2], k, found[2])
    if together:
        found, centre = load_sum(into, x), load((scales, offsets))
        found = around_means(found, size, load_sum(mean, x), centre, x)
        store((sums, at(sums, lines), at(sums, 2 * lines)), found)


@leaf
def write_block(dx, dy, view, block, forward, table, streamed):
    """Write dx of each line of a block."""
    first, count, slot, e = block
    outer, stride, run = line_runs(view)
    for k in range(count):
        slope = get(forward.rstd, first + k) * or_else(forward.weight, slot + k, 1.0)
        coefs = splat((rounded(dx, slope), *coefficients_at(table, first + k, dx)))
        for o in range(outer):
            i = e + o * stride + k * run
            here = alone(at(dx, i), at((dy, forward.x), i), run, coefs, forward.training, streamed)
            write(input_gradient, here, AHEAD * lanes(dx))


@leaf
def block_worker(queue, view, args):
    """Take blocks of lines one by one."""
    dx, dy, forward, totals, table, streamed = args
    batch, outer, group, _, run = view
    room, units = stack_doubles(80), batch * ceil_div(group, lanes(dx))
    step = max(1, CLAIM // max(1, lanes(dx) * outer * run))
    unit, stop = following(queue, units, step, False, -1, 0)
    while unit < units:
        block = block_of(view, unit, dx)
        sum_block(view, block, dy, forward, totals, room)
        last = block.first + block.count
        finish(view, block.first, last, forward, totals, table, dy)
        write_block(dx, dy, view, block, forward, table, streamed)
        unit, stop = following(queue, units, step, False, unit, stop)
    if streamed:
        fence()
