"""Backward operations on rows whose elements have a weight each.

The parameters' gradients of each tile of rows have a place in `sums`: (tiles, 2, room) float64s,
weight before bias, each with `SLACK` elements before the first.
"""

from typing import Any, NamedTuple

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.arrays import add_all, round_all
from numbanorm.kernels.loops.row_gradients import (
    TABLE,
    Gradients,
    row_gradient,
    row_table,
    tile_gradient,
    write_gradients,
)
from numbanorm.kernels.loops.statistics import or_else
from numbanorm.kernels.operations.given import backward_given
from numbanorm.kernels.simd.edges import store_part
from numbanorm.kernels.simd.memory import fence, lanes, store
from numbanorm.kernels.simd.pointers import at, at_if, get, is_null, put
from numbanorm.kernels.simd.room import allocate, as_computed, release, stack_computed
from numbanorm.kernels.simd.sums import no_sums
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import (
    along_tiles,
    ceil_div,
    claim,
    following,
    row_tiles,
    section,
    shared_out,
    streams,
)
from numbanorm.plan.tuning import CLAIM, ROW_BLOCK, ROW_SLAB, TOGETHER

# Elements before and behind a tile's sums that belong to none.
SLACK = 16

# The numbers of the tables of rows that are worked on together.
TABLES = TOGETHER * TABLE


class Sums(NamedTuple):
    """Where the sums of tiles of rows are, and how many float64s a parameter of a tile has."""

    first: Any
    room: Any


@inlined
def tile_sums(sums, tile, k):
    """Return where the sums of a tile of rows for one parameter start, the k-th."""
    return at(sums.first, (2 * tile + k) * sums.room + SLACK)


@inlined
def clear_sums(sums, tile, first, n):
    """Set n of a tile's sums for both parameters to zero; returns where both start."""
    found = tile_sums(sums, tile, 0), tile_sums(sums, tile, 1)
    step, zeros = lanes(found), no_sums(found, found)
    whole = n - n % step
    for i in range(first, first + whole, step):
        store(at(found, i), zeros)
    store_part(at(found, first + whole), zeros, (0, n - whole))
    return found


@inlined
def row_of(view, forward, row):
    """Return (first element, weights, mean) of a row."""
    _, _, group, n, _ = view
    return row * n, at_if(forward.weight, row % group * n), or_else(forward.mean, row, 0.0)


@leaf
def read_row(view, dy, forward, row):
    """Return the three sums of a row."""
    e, weight, mean = row_of(view, forward, row)
    rstd = get(forward.rstd, row)
    return row_gradient(at(dy, e), at(forward.x, e), view[3], weight, mean, rstd)


@leaf
def fill_table(table, view, dy, forward, row, sums):
    """Write what is needed for a row's dx from the row's three sums."""
    e, weight, mean = row_of(view, forward, row)
    x, rstd = at(forward.x, e), get(forward.rstd, row)
    row_table(table, at(dy, e), x, view[3], weight, mean, rstd, forward.centred, sums)


@inlined
def rows_together(n):
    """Return how many rows of n elements are worked on together; their sums hang on it."""
    return max(1, min(TOGETHER, ROW_BLOCK // n))


@leaf
def backward_worker(queue, view, args):
    """Take tiles of rows one by one: read some rows for their sums, and write these rows' dx."""
    dx, dy, forward, sums, streamed = args
    table = stack_computed(TABLES, dx)
    batch, _, group, n, _ = view
    rows, tiles = row_tiles(batch, group * n)
    tile, _ = claim(queue, tiles, 1, False)
    while tile < tiles:
        found = clear_sums(sums, tile, 0, group * n)
        first, stop = tile * rows, min((tile + 1) * rows, batch)
        while first < stop:
            count = min(rows_together(n), stop - first)
            for entry in range(group):
                for r in range(count):
                    row = (first + r) * group + entry
                    mine = at(table, r * TABLE)
                    fill_table(mine, view, dy, forward, row, read_row(view, dy, forward, row))
                some = first, count, entry, 0, n
                write_some(dx, dy, forward, view, some, (table, TABLE), found, streamed)
            first += count
        tile, _ = claim(queue, tiles, 1, False)
    if streamed:
        fence()


@leaf
def write_some(dx, dy, forward, view, some, tables, sums, streamed):
    """Write dx of some rows: from the first on, how many, of which entry and columns of a group.

    `tables` are where the first row's is, and how far apart they are; `sums` a tile's.
    """
    _, _, group, n, _ = view
    first, count, entry, start, stop = some
    slot, (table, apart) = entry * n + start, tables
    e, source = first * group * n + slot, (dy, forward.x)
    ahead = count * n if group == 1 else n
    rows = Gradients(at(dx, e), at(source, e), count, group * n, table, apart, ahead, streamed)
    dweight, dbias = at(sums, slot)
    write_gradients(rows, stop - start, at_if(forward.weight, slot), dweight, dbias)


# --- rows too few to share out: by columns -------------------------------------------------------


@leaf
def sums_worker(queue, view, args):
    """Write the three sums of every tile of every row, in order."""
    dy, forward, partial = args
    batch, _, group, n, _ = view
    _, _, tiles = along_tiles(1, n)
    units = batch * group * tiles
    step = max(1, CLAIM // min(n, CLAIM))
    unit, stop = following(queue, units, step, False, -1, 0)
    while unit < units:
        e, weight, mean = row_of(view, forward, unit // tiles)
        here, rstd = at((dy, forward.x), e), get(forward.rstd, unit // tiles)
        found = tile_gradient(here[0], here[1], n, weight, mean, rstd, unit % tiles)
        for i in range(3):
            put(partial, 3 * unit + i, found[i])
        unit, stop = following(queue, units, step, False, unit, stop)


@leaf
def fill_tables(view, dy, forward, partial, table):
    """Write every row's table from its tiles' sums, added in order."""
    _, _, tiles = along_tiles(1, view[3])
    for row in range(view[0] * view[2]):
        s0, s1, sx = 0.0, 0.0, 0.0
        for t in range(3 * row * tiles, 3 * (row + 1) * tiles, 3):
            s0, s1, sx = s0 + get(partial, t), s1 + get(partial, t + 1), sx + get(partial, t + 2)
        fill_table(at(table, TABLE * row), view, dy, forward, row, (s0, s1, sx))


@leaf
def apply_worker(queue, view, args):
    """Write dx for slabs of columns of tiles of rows, down the rows."""
    dx, dy, forward, table, sums, streamed = args
    batch, _, group, n, _ = view
    rows, tiles = row_tiles(batch, group * n)
    slabs = ceil_div(n, ROW_SLAB)
    units = tiles * group * slabs
    unit, _ = claim(queue, units, 1, False)
    while unit < units:
        tile, entry = unit // (group * slabs), unit // slabs % group
        start, stop = section(n, slabs, unit % slabs)
        mine = clear_sums(sums, tile, entry * n + start, stop - start)
        first, end = tile * rows, min((tile + 1) * rows, batch)
        while first < end:
            count = min(rows_together(n), end - first)
            known = at(table, TABLE * (first * group + entry)), TABLE * group
            some = first, count, entry, start, stop
            write_some(dx, dy, forward, view, some, known, mine, streamed)
            first += count
        unit, _ = claim(queue, units, 1, False)
    if streamed:
        fence()


# --- all ------------------------------------------------------------------------------------------


@leaf
def put_tiles(view, sums, tiles, k, gradient):
    """Write a parameter's gradient: the sums of all tiles of rows, added in order to the first."""
    if is_null(gradient):
        return
    slots, first = view[2] * view[3], tile_sums(sums, 0, k)
    for tile in range(1, tiles):
        add_all(first, tile_sums(sums, tile, k), slots)
    round_all(gradient, first, slots)


@operation
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    to, dy, forward = backward_given(args)
    batch, _, group, width, _ = view
    _, tiles = row_tiles(batch, group * width)
    streamed = streams(view, to.dx, 3, workers) and group * width % lanes(to.dx) == 0
    room, shared = group * width + 2 * SLACK, shared_out(tiles, workers)
    _, _, parts = along_tiles(1, width)
    work = allocate(2 * tiles * room + (0 if shared else (3 * parts + TABLE) * batch * group))
    if is_null(work):
        return MEMORY
    sums = Sums(work, room)
    if shared:
        launch(backward_worker, workers, view, (to.dx, dy, forward, sums, streamed))
    else:
        partial = at(work, 2 * tiles * room)
        table = as_computed(at(partial, 3 * parts * batch * group), to.dx)
        launch(sums_worker, workers, view, (dy, forward, partial))
        fill_tables(view, dy, forward, partial, table)
        launch(apply_worker, workers, view, (to.dx, dy, forward, table, sums, streamed))
    put_tiles(view, sums, tiles, 0, to.dweight)
    put_tiles(view, sums, tiles, 1, to.dbias)
    release(work)
    return OK
