"""Backward drivers of rows whose elements have a weight each.

`sums` is room for the parameters' gradients of each tile of rows: (tiles, 2, room) float64s, weight
before bias, each with `SLACK` elements before the first. `totals` gets them merged: (2, slots).
"""

from numbanorm.kernels.options import drivers, inlined, leaf
from numbanorm.kernels.pointers import at, get, optional, pointer, put, stack_doubles
from numbanorm.kernels.rows import at_if
from numbanorm.kernels.rows_gradient import gradient_row, row_table, tile_sums
from numbanorm.kernels.tiles import (
    ALONG_TILE,
    CLAIM,
    along_tiles,
    ceil_div,
    claim,
    piece,
    row_tiles,
)
from numbanorm.kernels.vec import fence, lanes, load, no_sum, store

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
def backward_worker(worker, workers, view, args):
    """Take tiles of rows one by one: write a row's dx while reading the next one."""
    dx, dy, x, weight, mean, rstd, sums, totals, room, centred, streamed, counter = args
    dx, dy, x, weight = pointer(dx), pointer(dy), pointer(x), optional(weight)
    mean, rstd, sums, table = pointer(mean), pointer(rstd), pointer(sums), stack_doubles(8)
    batch, _, group, n, _ = view
    rows, tiles = row_tiles(batch, group * n)
    queue = pointer(counter), worker, workers
    tile, _ = claim(queue, tiles, 1, False)
    row, found = tile * rows * group, (0.0, 0.0, 0.0)
    if tile < tiles:
        w = at_if(weight, row % group * n)
        found = row_sums(at(dy, row * n), at(x, row * n), n, w, get(mean, row))
    while tile < tiles:
        after, _ = claim(queue, tiles, 1, False)
        dweight, dbias = tile_room(sums, room, tile)
        clear_range(dweight, 0, group * n)
        clear_range(dbias, 0, group * n)
        stop = min((tile + 1) * rows, batch) * group
        while row < stop:
            then = row + 1 if row + 1 < stop else after * rows * group
            row_table(table, n, get(mean, row), get(rstd, row), centred, found, x)
            e, p, q = row * n, at(dweight, row % group * n), at(dbias, row % group * n)
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
    mu = get(mean, then) if more else 0.0
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


@inlined
def merge_tiles(view, sums, room, totals):
    """Add the sums of all tiles of rows, in order."""
    slots = view[2] * view[3]
    _, tiles = row_tiles(view[0], slots)
    step, whole = lanes(totals), slots - slots % lanes(totals)
    for k in range(2):
        mine = at(totals, k * slots)
        clear_range(mine, 0, slots)
        for tile in range(tiles):
            more = at(sums, (2 * tile + k) * room + SLACK)
            for i in range(0, whole, step):
                store(at(mine, i), load(at(mine, i)) + load(at(more, i)))
            for i in range(whole, slots):
                put(mine, i, get(mine, i) + get(more, i))


@leaf
def merge_after(view, args):
    """Merge the tiles of rows when all are done."""
    dx, dy, x, weight, mean, rstd, sums, totals, room, centred, streamed, counter = args
    merge_tiles(view, pointer(sums), room, pointer(totals))


# (dx, dy, x, weight, mean, rstd, sums, totals, room, centred, streamed, counter): writes dx, and
# the gradients of weight and bias into `totals`.
backward = drivers(backward_worker, after=merge_after)


# --- rows too few to share out: by columns -------------------------------------------------------


@leaf
def sums_worker(worker, workers, view, args):
    """Write the three sums of every tile of every row, in order."""
    dy, x, weight, mean, partial, counter = args
    dy, x, weight = pointer(dy), pointer(x), optional(weight)
    mean, partial = pointer(mean), pointer(partial)
    batch, _, group, n, _ = view
    _, _, tiles = along_tiles(1, n)
    units = batch * group * tiles
    step = max(1, CLAIM // min(n, CLAIM))
    queue = pointer(counter), worker, workers
    first, many = claim(queue, units, step, False)
    while many > 0:
        for unit in range(first, first + many):
            row = unit // tiles
            w = at_if(weight, row % group * n)
            found = tile_sums(at(dy, row * n), at(x, row * n), n, w, get(mean, row), unit % tiles)
            for i in range(3):
                put(partial, 3 * unit + i, found[i])
        first, many = claim(queue, units, step, False)


# (dy, x, weight, mean, partial, counter): three float64s for every tile of every row.
sums = drivers(sums_worker)


@leaf
def tables_before(view, args):
    """Write every row's table from its tiles' sums, added in order."""
    (
        dx, dy, x, weight, mean, rstd, partial, table, sums, totals, room, centred, streamed,
        counter,
    ) = args  # fmt: skip
    partial, table, mean, rstd = pointer(partial), pointer(table), pointer(mean), pointer(rstd)
    _, _, tiles = along_tiles(1, view[3])
    for row in range(view[0] * view[2]):
        s0, s1, sx = 0.0, 0.0, 0.0
        for t in range(3 * row * tiles, 3 * (row + 1) * tiles, 3):
            s0, s1, sx = s0 + get(partial, t), s1 + get(partial, t + 1), sx + get(partial, t + 2)
        here, found = at(table, TABLE * row), (s0, s1, sx)
        row_table(here, view[3], get(mean, row), get(rstd, row), centred, found, pointer(x))


@leaf
def apply_worker(worker, workers, view, args):
    """Write dx for slabs of columns of tiles of rows, down the rows."""
    (
        dx, dy, x, weight, mean, rstd, partial, table, sums, totals, room, centred, streamed,
        counter,
    ) = args  # fmt: skip
    dx, dy, x, weight = pointer(dx), pointer(dy), pointer(x), optional(weight)
    sums, table = pointer(sums), pointer(table)
    batch, _, group, n, _ = view
    rows, tiles = row_tiles(batch, group * n)
    slabs = ceil_div(n, SLAB)
    queue = pointer(counter), worker, workers
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


@leaf
def merge_applied(view, args):
    """Merge the tiles of rows when all are done."""
    (
        dx, dy, x, weight, mean, rstd, partial, table, sums, totals, room, centred, streamed,
        counter,
    ) = args  # fmt: skip
    merge_tiles(view, pointer(sums), room, pointer(totals))


# The names above: like `backward`, from the sums that `sums` wrote into `partial`.
apply = drivers(apply_worker, before=tables_before, after=merge_applied)
