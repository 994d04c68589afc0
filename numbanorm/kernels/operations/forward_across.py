"""Forward operations across memory.

Like `forward_along`, for statistics that are columns of x's rows. Each worker has a share of
`work` (float64) and `coefs` (x's type), `room` elements to an array. A slab is a range of columns
worked on together: all of them, or so few that all their rows stay in cache.
"""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.across_affine import affine_columns
from numbanorm.kernels.loops.across_both import normalize_reading
from numbanorm.kernels.loops.across_coefficients import fill_coefficients
from numbanorm.kernels.loops.across_moments import merge_all, tile_moments
from numbanorm.kernels.loops.far import settle_far
from numbanorm.kernels.operations.forward_along import forward_given
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import (
    allocate,
    as_like,
    at,
    elements_to_line,
    get,
    is_null,
    pointer,
    put,
    release,
)
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
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
    streams,
)

# Arrays of `room` elements that a worker needs.
SUMS, COEFFICIENTS = 3, 5


@inlined
def slab_room(view, x, workers):
    """Return (columns of a slab, elements that hold one value for each, tiles of rows)."""
    _, outer, group, width, run = view
    columns = group * width * run
    fold = folds(columns, lanes(x))
    slab = across_slab(view, lanes(x), workers)
    _, tiles = across_tiles(outer, columns, fold)
    return slab, across_room(slab, lanes(x), fold), tiles


@inlined
def coefficient_room(x, arrays, room, workers):
    """Return how many float64s hold `arrays` arrays of coefficients, of x's type, per worker."""
    return ceil_div((workers * arrays + 1) * room * 8, lanes(x))


@inlined
def line_lead(y, view):
    """Return the columns before y's first cache line, where each row has as many of them."""
    _, _, group, width, run = view
    whole = group * width * run % lanes(y) == 0
    return elements_to_line(y) if whole and width * run == 1 else 0


# --- moments ------------------------------------------------------------------------------------


@leaf
def moments_worker(queue, view, args):
    """Write the mean and m2 of every tile of every statistic, tile by tile."""
    x, partial, slab, work, room = args
    work = at(work, queue[1] * SUMS * room)
    batch, outer, group, width, run = view
    per, columns = width * run, group * width * run
    fold = folds(columns, lanes(x))
    rows, tiles = across_tiles(outer, columns, fold)
    slabs = slab_count(columns, slab, 0)
    units = batch * tiles * slabs
    unit, _ = claim(queue, units, 1, False)
    while unit < units:
        tile = unit // slabs
        start, stop = slab_bounds(columns, slab, 0, unit % slabs)
        row = tile % tiles * rows
        base = at(x, (tile // tiles * outer + row) * columns + start)
        here = min(rows, outer - row)
        centre = at(partial, 2 * tile * group + start // per)
        m2 = at(centre, group)
        tile_moments(base, here, columns, stop - start, per, fold, work, room, 0.0, centre, m2)
        unit, _ = claim(queue, units, 1, False)


@leaf
def merge_moments(view, x, partial, mean, var):
    """Merge the tiles of each statistic, in order, into mean and (biased) variance."""
    batch, outer, group, width, run = view
    columns = group * width * run
    rows, tiles = across_tiles(outer, columns, folds(columns, lanes(x)))
    for b in range(batch):
        count, m, v = 0.0, at(mean, b * group), at(var, b * group)
        for t in range(tiles):
            more = float(min(rows, outer - t * rows) * width * run)
            found = at(partial, 2 * (b * tiles + t) * group)
            merge_all(count, m, v, group, more, found, at(found, group))
            count += more
        for g in range(group):
            put(v, g, get(v, g) / count)
    settle_far(view, x, 0, batch * group, mean, var)


@operation
def moments(view, args, workers):
    """Write the mean and biased variance of each statistic; `args` is (x, mean, var)."""
    x, mean, var = args
    x, mean, var = pointer(x), pointer(mean), pointer(var)
    slab, room, tiles = slab_room(view, x, workers)
    work = allocate(workers * SUMS * room + 2 * view[0] * tiles * view[2])
    if is_null(work):
        return MEMORY
    partial = at(work, workers * SUMS * room)
    launch(moments_worker, workers, view, (x, partial, slab, work, room))
    merge_moments(view, x, partial, mean, var)
    release(work)
    return OK


# --- affine -------------------------------------------------------------------------------------


@leaf
def affine_rows(y, x, rows, columns, n, fold, whole, coefs, room, streamed):
    """Normalise `rows` rows of n of `columns` elements; y and x point to the first.

    `whole` is the number of elements before y's first cache line if the rows follow one another in
    memory and all start equally far from one, else -1. Rows are then taken to start on the line.
    """
    if n == columns and whole >= 0:
        first, total, step = min(whole, rows * columns), rows * columns, columns * fold
        affine_columns(y, x, first, first, coefs, room, streamed)
        for e in range(first, total, step):
            count = min(step, total - e)
            affine_columns(at(y, e), at(x, e), count, count, at(coefs, whole), room, streamed)
    else:
        for r in range(rows):
            e = r * columns
            affine_columns(at(y, e), at(x, e), n, columns, coefs, room, streamed)


@inlined
def lines_agree(y, n, columns, fold):
    """Return `affine_rows`' argument `whole`."""
    return elements_to_line(y) if n == columns and columns * fold % lanes(y) == 0 else -1


@leaf
def affine_worker(queue, view, args):
    """Normalise rows by given statistics; `backwards` starts at the end, where x is cached."""
    y, x, weight, bias, mean, var, eps, backwards, slab, coefs, room, streamed = args
    coefs = at(coefs, queue[1] * COEFFICIENTS * room + lanes(x))
    batch, outer, group, width, run = view
    columns = group * width * run
    fold = folds(columns, lanes(x))
    rows, tiles = across_tiles(outer, columns, fold)
    lead = line_lead(y, view)
    slabs = slab_count(columns, slab, lead)
    units = batch * tiles * slabs
    filled = -1
    unit, _ = claim(queue, units, 1, backwards)
    while unit < units:
        # The tiles of one slab follow one another, so that its coefficients serve many of them.
        b, tile = unit // (tiles * slabs), unit % tiles
        start, stop = slab_bounds(columns, slab, lead, unit // tiles % slabs)
        if unit // tiles != filled:
            n = stop - start
            fill_coefficients(coefs, room, view, b, start, n, fold, mean, var, eps, weight, bias)
            filled = unit // tiles
        e = (b * outer + tile * rows) * columns + start
        whole = lines_agree(at(y, e), stop - start, columns, fold)
        here = min(rows, outer - tile * rows)
        affine_rows(
            at(y, e), at(x, e), here, columns, stop - start, fold, whole, coefs, room, streamed
        )
        unit, _ = claim(queue, units, 1, backwards)
    if streamed:
        fence()


@operation
def affine(view, args, workers):
    """Normalise by given statistics; see `forward_given`."""
    x = pointer(args[1])
    slab, room, _ = slab_room(view, x, workers)
    coefs = allocate(coefficient_room(x, COEFFICIENTS, room, workers))
    if is_null(coefs):
        return MEMORY
    here = slab, as_like(coefs, x), room, streams(view, x)
    launch(affine_worker, workers, view, (*forward_given(args), *here))
    release(coefs)
    return OK


# --- both, slab by slab ---------------------------------------------------------------------------


@leaf
def normalize_worker(queue, view, args):
    """Take slabs one by one: read all their rows, then normalise them, last tile first."""
    y, x, weight, bias, mean, var, eps, _, slab, work, coefs, room, streamed = args
    work = at(work, queue[1] * SUMS * room)
    coefs = at(coefs, queue[1] * COEFFICIENTS * room + lanes(x))
    batch, outer, group, width, run = view
    per, columns = width * run, group * width * run
    fold = folds(columns, lanes(x))
    rows, tiles = across_tiles(outer, columns, fold)
    lead = line_lead(y, view)
    slabs = slab_count(columns, slab, lead)
    unit, _ = claim(queue, batch * slabs, 1, False)
    ready = False
    while unit < batch * slabs:
        after, _ = claim(queue, batch * slabs, 1, False)
        b = unit // slabs
        start, stop = slab_bounds(columns, slab, lead, unit % slabs)
        n, s = stop - start, b * group + start // per
        base = b * outer * columns + start
        if not ready:
            for t in range(tiles):
                here = min(rows, outer - t * rows)
                tile_moments(
                    at(x, base + t * rows * columns),
                    here,
                    columns,
                    n,
                    per,
                    fold,
                    work,
                    room,
                    float(t * rows * per),
                    at(mean, s),
                    at(var, s),
                )
        for g in range(n // per):
            put(var, s + g, get(var, s + g) / float(outer * per))
        settle_far(view, x, s, n // per, mean, var)
        fill_coefficients(coefs, room, view, b, start, n, fold, mean, var, eps, weight, bias)
        then, end = slab_bounds(columns, slab, lead, after % slabs)
        # The rows of a slab must all be equally far from a cache line.
        even = columns * fold % lanes(y) == 0 and outer * n <= 10240 * lanes(y)
        ready = after < batch * slabs and end - then == n and even
        if ready:
            z = at(x, after // slabs * outer * columns + then)
            s = after // slabs * group + then // per
            here, there, m, v = at(y, base), at(x, base), at(mean, s), at(var, s)
            normalize_reading(
                here,
                there,
                z,
                outer,
                columns,
                n,
                per,
                fold,
                rows,
                work,
                coefs,
                room,
                m,
                v,
                streamed,
            )
        else:
            for i in range(tiles):
                t = tiles - 1 - i
                e = base + t * rows * columns
                whole = lines_agree(at(y, e), n, columns, fold)
                here = min(rows, outer - t * rows)
                affine_rows(
                    at(y, e), at(x, e), here, columns, n, fold, whole, coefs, room, streamed
                )
        unit = after
    if streamed:
        fence()


@operation
def normalize(view, args, workers):
    """Normalise by x's own statistics, and write those; see `forward_given`."""
    x = pointer(args[1])
    slab, room, _ = slab_room(view, x, workers)
    sums = padded(workers * SUMS * room)
    work = allocate(sums + coefficient_room(x, COEFFICIENTS, room, workers))
    if is_null(work):
        return MEMORY
    here = slab, work, as_like(at(work, sums), x), room, streams(view, x)
    launch(normalize_worker, workers, view, (*forward_given(args), *here))
    release(work)
    return OK
