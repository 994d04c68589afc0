"""Backward operations along memory.

`totals` holds three arrays of batch * group * width float64s, one value per line: the sums of dy,
of dy * (x - mean) and of x - mean. `finish` turns the first two into those of dy and dy * x_hat.
"""

from typing import Any, NamedTuple

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along import (
    gradient_reading,
    line_gradient,
    no_gradients,
    sum_runs,
    tile_gradient,
)
from numbanorm.kernels.loops.gradients import (
    around_mean,
    around_means,
    centres,
    gradient_centre,
    ordinary,
    table_coefficients,
)
from numbanorm.kernels.loops.pieces import gradient, input_gradient
from numbanorm.kernels.loops.runs import PAIRS, alone, write
from numbanorm.kernels.loops.statistics import or_else
from numbanorm.kernels.operations.given import backward_given, line_runs, line_start
from numbanorm.kernels.operations.totals import (
    finish,
    input_coefficients,
    put_parameters,
    put_totals,
    table_at,
    table_size,
)
from numbanorm.kernels.simd.memory import fence, lanes, load, store
from numbanorm.kernels.simd.pointers import (
    allocate,
    as_computed,
    at,
    get,
    is_null,
    put,
    release,
    rounded,
    stack_doubles,
)
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import splat
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import along_tiles, ceil_div, following, section, shared_out, streams
from numbanorm.plan.tuning import AHEAD, CLAIM, SHORT

# --- sums ---------------------------------------------------------------------------------------


@leaf
def sums_worker(queue, view, args):
    """Write the three sums of every tile of every line, in order."""
    dy, forward, partial = args
    runs, width = line_runs(view), view[3]
    rows, _, tiles = along_tiles(runs.outer, runs.chunk)
    step = max(1, CLAIM // max(1, rows * min(runs.chunk, CLAIM)))
    units = view[0] * view[2] * width * tiles
    unit, stop = following(queue, units, step, False, -1, 0)
    while unit < units:
        line = unit // tiles
        i, mean = line_start(view, line), get(forward.mean, line // width)
        here, rstd = at((dy, forward.x), i), get(forward.rstd, line // width)
        found = tile_gradient(here[0], here[1], runs, unit % tiles, mean, rstd)
        put_totals(partial, 1, 3 * unit, found)
        unit, stop = following(queue, units, step, False, unit, stop)


@leaf
def merge_sums(view, partial, totals):
    """Add the tiles of each line, in order."""
    batch, outer, group, width, run = view
    _, _, tiles = along_tiles(outer, run)
    lines = batch * group * width
    for line in range(lines):
        s0, s1, sx = 0.0, 0.0, 0.0
        for t in range(line * tiles, (line + 1) * tiles):
            s0 += get(partial, 3 * t)
            s1 += get(partial, 3 * t + 1)
            sx += get(partial, 3 * t + 2)
        put_totals(totals, lines, line, (s0, s1, sx))


# --- the input's gradient -------------------------------------------------------------------------


@leaf
def apply_worker(queue, view, args):
    """Write dx, last element first, by the coefficients of each statistic (`finish_all`)."""
    dx, dy, forward, table, streamed = args
    batch, outer, group, width, run = view
    slots, parts = group * width, ceil_div(run, CLAIM)
    units = batch * outer * slots * parts
    step = max(1, CLAIM // max(1, run))
    unit, stop = following(queue, units, step, True, -1, 0)
    while unit < units:
        place = unit // parts
        line = place // (outer * slots) * slots + place % slots
        begin, end = section(run, parts, unit % parts)
        write_line(dx, dy, view, forward, table, line, place * run + begin, end - begin, streamed)
        unit, stop = following(queue, units, step, True, unit, stop)
    if streamed:
        fence()


@leaf
def write_line(dx, dy, view, forward, table, line, e, n, streamed):
    """Write n elements of dx, from e on, of a line."""
    coefs = splat(input_coefficients(view, forward, table, line, dx))
    here = alone(at(dx, e), at((dy, forward.x), e), n, coefs, forward.training, streamed)
    write(input_gradient, here, AHEAD * lanes(dx))


# --- both, for blocks of short lines --------------------------------------------------------------


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
        here, found = at((dy, x), e + k * runs.chunk), no_gradients(x)
        found = sum_runs(
            gradient, found, here, runs.outer, runs.stride, runs.chunk, splat(centre), AHEAD, PAIRS
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
        coefs = splat((rounded(dx, slope), *table_coefficients(table, first + k, dx)))
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


# --- both, while a statistic's elements are in cache ----------------------------------------------


@leaf
def sum_line(view, dy, forward, totals, line):
    """Write a line's three sums."""
    s, i = line // view[3], line_start(view, line)
    here, mean, rstd = at((dy, forward.x), i), get(forward.mean, s), get(forward.rstd, s)
    found = line_gradient(here[0], here[1], line_runs(view), mean, rstd)
    put_totals(totals, view[0] * view[2] * view[3], line, found)


@leaf
def write_lines(dx, dy, view, forward, table, s, streamed):
    """Write dx of a statistic's lines."""
    _, outer, _, width, run = view
    for line in range(s * width, (s + 1) * width):
        for o in range(outer):
            e = line_start(view, line) + o * line_runs(view).stride
            write_line(dx, dy, view, forward, table, line, e, run, streamed)


@leaf
def backward_worker(queue, view, args):
    """Take statistics one by one: write its dx while reading the next one's elements."""
    dx, dy, forward, totals, table, streamed = args
    batch, outer, group, width, run = view
    runs, lines = line_runs(view), batch * group * width
    step = max(1, CLAIM // max(1, outer * width * run))
    units = batch * group
    ready = False
    s, stop = following(queue, units, step, False, -1, 0)
    while s < units:
        after, stop = following(queue, units, step, False, s, stop)
        if not ready:
            for line in range(s * width, (s + 1) * width):
                sum_line(view, dy, forward, totals, line)
        finish(view, s, s + 1, forward, totals, table, dy)
        ready = width == 1 and after < units
        if ready:
            i, j, here = line_start(view, s), line_start(view, after), (dy, forward.x)
            coefs = input_coefficients(view, forward, table, s, dx)
            training = forward.training
            statistic = get(forward.mean, after), get(forward.rstd, after)
            found = gradient_reading(
                at(dx, i), at(here, i), at(here, j), statistic, runs, coefs, training, streamed
            )
            put_totals(totals, lines, after, found)
        else:
            write_lines(dx, dy, view, forward, table, s, streamed)
        s = after
    if streamed:
        fence()


@operation
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    to, dy, forward = backward_given(args)
    batch, outer, group, width, run = view
    lines, (_, _, tiles) = batch * group * width, along_tiles(outer, run)
    streamed, shared = streams(view, to.dx, 3, workers), shared_out(lines, workers)
    tables = table_size(view)
    totals = allocate(3 * lines + tables + (0 if shared else 3 * lines * tiles))
    if is_null(totals):
        return MEMORY
    table = table_at(at(totals, 3 * lines), view, to.dx)
    if shared and width == 1 and outer * run <= SHORT:
        launch(block_worker, workers, view, (to.dx, dy, forward, totals, table, streamed))
    elif shared:
        launch(backward_worker, workers, view, (to.dx, dy, forward, totals, table, streamed))
    else:
        partial = at(totals, 3 * lines + tables)
        launch(sums_worker, workers, view, (dy, forward, partial))
        merge_sums(view, partial, totals)
        finish(view, 0, batch * group, forward, totals, table, dy)
        launch(apply_worker, workers, view, (to.dx, dy, forward, table, streamed))
    put_parameters(view, totals, to)
    release(totals)
    return OK
