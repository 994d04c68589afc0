"""Backward operations on rows whose elements have a weight each.

`sums` is room for the parameters' gradients of each tile of rows: (tiles, 2, room) float64s, weight
before bias, each with `SLACK` elements before the first.
"""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.rows import at_if
from numbanorm.kernels.loops.rows_gradient import gradient_row, row_table, tile_sums
from numbanorm.kernels.loops.statistics import or_else
from numbanorm.kernels.operations.backward_along import backward_given
from numbanorm.kernels.simd.memory import fence, lanes, load, no_sum, store
from numbanorm.kernels.simd.pointers import allocate, at, get, is_null, put, release, stack_doubles
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import (
    along_tiles,
    ceil_div,
    claim,
    piece,
    row_tiles,
    shared_out,
    streams,
)
from numbanorm.plan.tuning import ALONG_TILE, CLAIM

# Elements before and behind a tile's sums that belong to none.
SLACK = 16

# Float64s that `row_table` needs for a row.
TABLE = 7

# Columns of one unit of work where rows are too few to share out.
SLAB = 8192


@inlined
def tile_room(sums, room, tile):
    """Return where the weight's and the bias's sums of a tile of rows start."""
    return at(sums, 2 * tile * room + SLACK), at(sums, (2 * tile + 1) * room + SLACK)


@inlined
def clear_range(p, start, stop):
    """Set p[start:stop] to zero."""
    step = lanes(p)
    whole = stop - (stop - start) % step
    for i in range(start, whole, step):
        store(at(p, i), no_sum(p))
    for i in range(whole, stop):
        put(p, i, 0.0)


@leaf
def backward_worker(queue, view, args):
    """Take tiles of rows one by one: write a row's dx while reading the next one."""
    dx, dy, x, weight, mean, rstd, sums, room, centred, streamed = args
    table = stack_doubles(8)
    batch, _, group, n, _ = view
    rows, tiles = row_tiles(batch, group * n)
    tile, _ = claim(queue, tiles, 1, False)
    row, found = tile * rows * group, (0.0, 0.0, 0.0)
    if tile < tiles:
        w = at_if(weight, row % group * n)
        found = row_sums(at(dy, row * n), at(x, row * n), n, w, or_else(mean, row, 0.0))
    while tile < tiles:
        after, _ = claim(queue, tiles, 1, False)
        dweight, dbias = tile_room(sums, room, tile)
        clear_range(dweight, 0, group * n)
        clear_range(dbias, 0, group * n)
        stop = min((tile + 1) * rows, batch) * group
        while row < stop:
            then = row + 1 if row + 1 < stop else after * rows * group
            e, w, mu = row * n, at_if(weight, row % group * n), or_else(mean, row, 0.0)
            row_table(table, at(dy, e), at(x, e), n, w, mu, get(rstd, row), centred, found)
            p, q = at(dweight, row % group * n), at(dbias, row % group * n)
            found = row_reading(
                at(dx, e), dy, x, weight, row, then, view, mean, table, p, q, streamed
            )
            row = then if row + 1 < stop else stop
        row, tile = after * rows * group, after
    if streamed:
        fence()


@leaf
def row_reading(dx, dy, x, weight, row, then, view, mean, table, dweight, dbias, streamed):
    """Write a row's dx while reading the row `then`, if there is one; returns its three sums."""
    batch, _, group, n, _ = view
    more, w, z = (
        then < batch * group,
        at_if(weight, row % group * n),
        at_if(weight, then % group * n),
    )
    g, v, zdy, zx = at(dy, row * n), at(x, row * n), at(dy, then * n), at(x, then * n)
    mu = or_else(mean, then, 0.0) if more else 0.0
    fused = n if more and n <= ALONG_TILE else 0
    found = gradient_row(dx, g, v, w, n, table, dweight, dbias, streamed, zdy, zx, z, mu, fused)
    return row_sums(zdy, zx, n, z, mu) if more and fused == 0 else found


@leaf
def row_sums(dy, x, n, weight, mean):
    """Return the three sums of a row, its tiles added in order."""
    s0, s1, sx = 0.0, 0.0, 0.0
    _, _, tiles = along_tiles(1, n)
    for tile in range(tiles):
        t0, t1, tx = tile_sums(dy, x, n, weight, mean, tile)
        s0, s1, sx = s0 + t0, s1 + t1, sx + tx
    return s0, s1, sx


# --- rows too few to share out: by columns -------------------------------------------------------


@leaf
def sums_worker(queue, view, args):
    """Write the three sums of every tile of every row, in order."""
    dy, x, weight, mean, partial = args
    batch, _, group, n, _ = view
    _, _, tiles = along_tiles(1, n)
    units = batch * group * tiles
    step = max(1, CLAIM // min(n, CLAIM))
    first, many = claim(queue, units, step, False)
    while many > 0:
        for unit in range(first, first + many):
            row = unit // tiles
            w = at_if(weight, row % group * n)
            found = tile_sums(
                at(dy, row * n), at(x, row * n), n, w, or_else(mean, row, 0.0), unit % tiles
            )
            for i in range(3):
                put(partial, 3 * unit + i, found[i])
        first, many = claim(queue, units, step, False)


@leaf
def fill_tables(view, dy, x, weight, mean, rstd, partial, table, centred):
    """Write every row's table from its tiles' sums, added in order."""
    _, _, group, n, _ = view
    _, _, tiles = along_tiles(1, n)
    for row in range(view[0] * view[2]):
        s0, s1, sx = 0.0, 0.0, 0.0
        for t in range(3 * row * tiles, 3 * (row + 1) * tiles, 3):
            s0, s1, sx = s0 + get(partial, t), s1 + get(partial, t + 1), sx + get(partial, t + 2)
        here, found = at(table, TABLE * row), (s0, s1, sx)
        e, w, mu = row * n, at_if(weight, row % group * n), or_else(mean, row, 0.0)
        row_table(here, at(dy, e), at(x, e), n, w, mu, get(rstd, row), centred, found)


@leaf
def apply_worker(queue, view, args):
    """Write dx for slabs of columns of tiles of rows, down the rows."""
    dx, dy, x, weight, table, sums, room, streamed = args
    batch, _, group, n, _ = view
    rows, tiles = row_tiles(batch, group * n)
    slabs = ceil_div(n, SLAB)
    units = tiles * group * slabs
    unit, _ = claim(queue, units, 1, False)
    while unit < units:
        tile, entry = unit // (group * slabs), unit // slabs % group
        start, stop = piece(n, slabs, unit % slabs)
        dweight, dbias = tile_room(sums, room, tile)
        slot = entry * n + start
        clear_range(dweight, slot, slot + stop - start)
        clear_range(dbias, slot, slot + stop - start)
        for b in range(tile * rows, min((tile + 1) * rows, batch)):
            row = b * group + entry
            e = row * n + start
            here, g, v = at(dx, e), at(dy, e), at(x, e)
            mine, w = at(table, TABLE * row), at_if(weight, slot)
            p, q = at(dweight, slot), at(dbias, slot)
            n_here, none = stop - start, 0.0
            gradient_row(here, g, v, w, n_here, mine, p, q, streamed, g, v, w, none, 0)
        unit, _ = claim(queue, units, 1, False)
    if streamed:
        fence()


# --- all ------------------------------------------------------------------------------------------


@leaf
def put_tiles(view, sums, room, tiles, k, gradient):
    """Write a parameter's gradient: the sums of all tiles of rows, added in order to the first."""
    if is_null(gradient):
        return
    slots, first = view[2] * view[3], at(sums, k * room + SLACK)
    step = lanes(first)
    whole = slots - slots % step
    for tile in range(1, tiles):
        more = at(sums, (2 * tile + k) * room + SLACK)
        for i in range(0, whole, step):
            store(at(first, i), load(at(first, i)) + load(at(more, i)))
        for i in range(whole, slots):
            put(first, i, get(first, i) + get(more, i))
    for i in range(slots):
        put(gradient, i, get(first, i))


@operation
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    dx, dweight, dbias, dy, x, weight, mean, rstd, _, centred = backward_given(args)
    batch, _, group, width, _ = view
    (_, tiles), streamed = row_tiles(batch, group * width), streams(view, x)
    room, shared = group * width + 2 * SLACK, shared_out(tiles, workers)
    _, _, parts = along_tiles(1, width)
    sums = allocate(2 * tiles * room + (0 if shared else (3 * parts + TABLE) * batch * group))
    if is_null(sums):
        return MEMORY
    if shared:
        given = dx, dy, x, weight, mean, rstd, sums, room, centred, streamed
        launch(backward_worker, workers, view, given)
    else:
        partial = at(sums, 2 * tiles * room)
        table = at(partial, 3 * parts * batch * group)
        launch(sums_worker, workers, view, (dy, x, weight, mean, partial))
        fill_tables(view, dy, x, weight, mean, rstd, partial, table, centred)
        launch(apply_worker, workers, view, (dx, dy, x, weight, table, sums, room, streamed))
    put_tiles(view, sums, room, tiles, 0, dweight)
    put_tiles(view, sums, room, tiles, 1, dbias)
    release(sums)
    return OK
