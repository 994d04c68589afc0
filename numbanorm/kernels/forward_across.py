"""Forward drivers across memory (`across`): what Python calls.

Like `forward_along`, for statistics that are columns of x's rows. Each worker has a share of
`work` (float64) and `coefs` (x's type), `room` elements to an array. A slab is a range of columns
worked on together: all of them, or so few that all their rows stay in cache.
"""

from numbanorm.kernels.across_affine import affine_columns
from numbanorm.kernels.across_both import normalize_reading
from numbanorm.kernels.across_coefficients import fill_coefficients
from numbanorm.kernels.across_moments import merge_all, tile_moments
from numbanorm.kernels.options import drivers, inlined, leaf
from numbanorm.kernels.pointers import at, elements_to_line, get, optional, pointer, put
from numbanorm.kernels.tiles import across_tiles, claim, folds, slab_bounds, slab_count
from numbanorm.kernels.vec import fence, lanes

# Arrays of `room` elements that a worker needs.
SUMS, COEFFICIENTS = 3, 5


@inlined
def line_lead(y, view):
    """Return the columns before y's first cache line, where each row has as many of them."""
    _, _, group, width, run = view
    whole = group * width * run % lanes(y) == 0
    return elements_to_line(y) if whole and width * run == 1 else 0


# --- moments ------------------------------------------------------------------------------------


@leaf
def moments_worker(worker, workers, view, args):
    """Write the mean and m2 of every tile of every statistic, tile by tile."""
    x, mean, var, partial, slab, work, room, counter = args
    x, partial, work = pointer(x), pointer(partial), at(pointer(work), worker * SUMS * room)
    batch, outer, group, width, run = view
    per, columns = width * run, group * width * run
    fold = folds(columns, lanes(x))
    rows, tiles = across_tiles(outer, columns, fold)
    slabs = slab_count(columns, slab, 0)
    units = batch * tiles * slabs
    queue = pointer(counter), worker, workers
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
def merge_moments(view, args):
    """Merge the tiles of each statistic, in order, into mean and (biased) variance."""
    x, mean, var, partial, slab, work, room, counter = args
    partial, mean, var = pointer(partial), pointer(mean), pointer(var)
    batch, outer, group, width, run = view
    columns = group * width * run
    rows, tiles = across_tiles(outer, columns, folds(columns, lanes(pointer(x))))
    for b in range(batch):
        count, m, v = 0.0, at(mean, b * group), at(var, b * group)
        for t in range(tiles):
            more = float(min(rows, outer - t * rows) * width * run)
            found = at(partial, 2 * (b * tiles + t) * group)
            merge_all(count, m, v, group, more, found, at(found, group))
            count += more
        for g in range(group):
            put(v, g, get(v, g) / count)


# (x, mean, var, partial, slab, work, room, counter): mean and biased variance (float64) of each
# statistic. `partial` is room for two float64s per tile and statistic.
moments = drivers(moments_worker, after=merge_moments)


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
def affine_worker(worker, workers, view, args):
    """Normalise rows by given statistics; `backwards` starts at the end, where x is cached."""
    y, x, weight, bias, mean, var, eps, backwards, slab, coefs, room, streamed, counter = args
    y, x, weight, bias = pointer(y), pointer(x), optional(weight), optional(bias)
    mean, var = pointer(mean), pointer(var)
    coefs = at(pointer(coefs), worker * COEFFICIENTS * room + lanes(x))
    batch, outer, group, width, run = view
    columns = group * width * run
    fold = folds(columns, lanes(x))
    rows, tiles = across_tiles(outer, columns, fold)
    lead = line_lead(y, view)
    slabs = slab_count(columns, slab, lead)
    units = batch * tiles * slabs
    filled = -1
    queue = pointer(counter), worker, workers
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


# (y, x, weight, bias, mean, var, eps, backwards, slab, coefs, room, streamed, counter): x
# normalised into y.
affine = drivers(affine_worker)


# --- both, slab by slab ---------------------------------------------------------------------------


@leaf
def normalize_worker(worker, workers, view, args):
    """Take slabs one by one: read all their rows, then normalise them, last tile first."""
    y, x, weight, bias, mean, var, eps, slab, work, coefs, room, streamed, counter = args
    y, x, weight, bias = pointer(y), pointer(x), optional(weight), optional(bias)
    mean, var, work = pointer(mean), pointer(var), at(pointer(work), worker * SUMS * room)
    coefs = at(pointer(coefs), worker * COEFFICIENTS * room + lanes(x))
    batch, outer, group, width, run = view
    per, columns = width * run, group * width * run
    fold = folds(columns, lanes(x))
    rows, tiles = across_tiles(outer, columns, fold)
    lead = line_lead(y, view)
    slabs = slab_count(columns, slab, lead)
    queue = pointer(counter), worker, workers
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


# (y, x, weight, bias, mean, var, eps, slab, work, coefs, room, streamed, counter): writes mean and
# var, and x normalised by them into y.
normalize = drivers(normalize_worker)
