"""Backward operations along memory.

`totals` holds three arrays of batch * group * width float64s, one value per line: the sums of dy,
of dy * (x - mean) and of x - mean. `finish` turns the first two into those of dy and dy * x_hat.
"""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_gradients import gradient_reading, line_gradient, tile_gradient
from numbanorm.kernels.loops.pieces import input_gradient
from numbanorm.kernels.loops.runs import alone, write
from numbanorm.kernels.operations.backward_blocks import block_worker
from numbanorm.kernels.operations.given import backward_given, line_runs, line_start
from numbanorm.kernels.operations.shares import each_tile
from numbanorm.kernels.operations.totals import (
    finish,
    input_coefficients,
    put_parameters,
    put_totals,
    table_at,
    table_size,
)
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import at, get, is_null
from numbanorm.kernels.simd.room import allocate, release
from numbanorm.kernels.simd.vec import splat
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import along_tiles, ceil_div, following, section, shared_out, streams
from numbanorm.plan.tuning import AHEAD, CLAIM, SHORT

# --- sums ---------------------------------------------------------------------------------------


@inlined
def visit_sums(view, runs, line, tile, unit, args):
    """Write the three sums of a tile of a line."""
    dy, forward, partial = args
    i, mean = line_start(view, line), get(forward.mean, line // view[3])
    here, rstd = at((dy, forward.x), i), get(forward.rstd, line // view[3])
    put_totals(partial, 1, 3 * unit, tile_gradient(here[0], here[1], runs, tile, mean, rstd))


@leaf
def sums_worker(queue, view, args):
    """Write the three sums of every tile of every line, in order."""
    each_tile(queue, view, line_runs(view), view[0] * view[2] * view[3], visit_sums, args)


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
