"""How an operation across memory cuts its work: slabs of columns, tiles of rows, and room for both.

A slab is a range of columns worked on together: all of them, or so few that all their rows stay in
cache. Each worker has a share of `work` (float64) and `coefs` (what is computed with), `room`
elements to an array.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.loops.columns import Tile, lines_agree, moved, write_groups, write_rows
from numbanorm.kernels.simd.memory import lanes, to_aligned
from numbanorm.kernels.simd.pointers import at
from numbanorm.kernels.tiles import (
    across_room,
    across_slab,
    across_tiles,
    ceil_div,
    claim,
    folds,
    padded,
    slab_bounds,
    slab_count,
)

# Arrays of `room` elements that a worker needs.
SUMS, COEFFICIENTS = 5, 6


class Room(NamedTuple):
    """Columns of a slab, elements that hold one value for each, and all workers' arrays."""

    slab: Any
    each: Any
    work: Any
    coefs: Any


@inlined
def slab_room(view, x, workers):
    """Return (columns of a slab, elements that hold one value for each)."""
    _, _, group, width, run = view
    slab = across_slab(view, lanes(x), workers)
    return slab, across_room(slab, lanes(x), folds(group * width * run, lanes(x)))


@inlined
def sums_size(workers, each):
    """Return how many float64s hold the sums of all workers."""
    return padded(workers * SUMS * each)


@inlined
def coefficients_size(workers, each, like):
    """Return how many float64s hold the coefficients of all workers."""
    return padded(ceil_div((workers * COEFFICIENTS + 1) * each * 8, lanes(like)))


@inlined
def sums_of(room, worker):
    """Return the three arrays of sums of a worker, and two for what they are taken around."""
    p, n = at(room.work, worker * SUMS * room.each), room.each
    return p, at(p, n), at(p, 2 * n), at(p, 3 * n), at(p, 4 * n)


@inlined
def coefficients_of(room, worker):
    """Return where a worker's coefficients start: a vector before them may be read."""
    return at(room.coefs, worker * COEFFICIENTS * room.each + lanes(room.coefs))


class Cut(NamedTuple):
    """How rows of `columns` elements are cut.

    `fold` of them are laid side by side, `rows` make a tile, of which a batch entry has `tiles`; it
    has `slabs` slabs, the first of which is `lead` columns wider, which puts all others in line.
    """

    columns: Any
    fold: Any
    rows: Any
    tiles: Any
    lead: Any
    slabs: Any


@inlined
def cut_of(view, like, slab, lead):
    """Return how the rows of a view are cut."""
    _, outer, group, width, run = view
    columns = group * width * run
    fold = folds(columns, lanes(like))
    rows, tiles = across_tiles(outer, columns, fold)
    return Cut(columns, fold, rows, tiles, lead, slab_count(columns, slab, lead))


@inlined
def line_lead(y, view):
    """Return the columns before y's first whole vector, where each row has as many of them."""
    _, _, group, width, run = view
    whole = group * width * run % lanes(y) == 0
    return to_aligned(y) if whole and width * run == 1 else 0


class Place(NamedTuple):
    """Columns [start, stop) of a tile of a batch entry."""

    b: Any
    tile: Any
    start: Any
    stop: Any


@inlined
def place_of(cut, slab, unit, tile):
    """Return the place of a tile of the unit-th slab of all batch entries."""
    start, stop = slab_bounds(cut.columns, slab, cut.lead, unit % cut.slabs)
    return Place(unit // cut.slabs, tile, start, stop)


@inlined
def tile_at(x, view, cut, place):
    """Return (the index of the first element, the Tile) of a place."""
    b, tile, start, stop = place
    outer, row = view[1], tile * cut.rows
    e = (b * outer + row) * cut.columns + start
    rows = min(cut.rows, outer - row)
    return e, Tile(at(x, e), rows, cut.columns, stop - start, cut.fold)


@inlined
def write_tile(apply, target, view, cut, place):
    """Write a place of the arrays that `target` points to."""
    e, (_, rows, columns, n, fold) = tile_at(target.x, view, cut, place)
    here = moved(target, e, 0)
    write_rows(apply, here, rows, columns, n, fold, lines_agree(here.y, n, columns, fold))


@inlined
def write_cached_tile(apply, target, view, cut, place):
    """Do that for a place that was read just now, so that all of it is in a cache."""
    e, (_, rows, columns, n, fold) = tile_at(target.x, view, cut, place)
    if target.streamed or cut.columns * cut.fold % lanes(target.y) != 0:
        write_tile(apply, target, view, cut, place)
    else:
        write_groups(apply, moved(target, e, 0), rows, columns, n, fold)


@inlined
def enter_nothing(view, cut, place, args):
    """Fill nothing for a slab."""


@inlined
def each_tile(queue, view, cut, slab, backwards, enter, visit, args):
    """Visit tiles as a worker claims them: ``visit(view, cut, place, args)``.

    The tiles of one slab follow one another: `enter` is called like `visit` before the first of
    them, so that what it fills serves many.
    """
    units = view[0] * cut.slabs * cut.tiles
    entered = -1
    unit, _ = claim(queue, units, 1, backwards)
    while unit < units:
        place = place_of(cut, slab, unit // cut.tiles, unit % cut.tiles)
        if unit // cut.tiles != entered:
            enter(view, cut, place, args)
            entered = unit // cut.tiles
        visit(view, cut, place, args)
        unit, _ = claim(queue, units, 1, backwards)
