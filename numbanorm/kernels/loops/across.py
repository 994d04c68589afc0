"""Across memory: statistics made of columns, found, and used while others are found.

A statistic may own several columns, `per` of them: a group of NHWC channels, or the small image of
an NCHW channel. Its columns' sums stand in `work`, four arrays of float64s.
"""

import math

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.columns import Tile, moved, sum_tile
from numbanorm.kernels.loops.overlap import sum_and_write
from numbanorm.kernels.loops.pieces import gradient, moment, moment_around, normalize
from numbanorm.kernels.loops.statistics import merge_at, needs_shift, not_negative, shift_floor
from numbanorm.kernels.simd.choosing import all_above
from numbanorm.kernels.simd.memory import lanes, load, store
from numbanorm.kernels.simd.pointers import at, get, put
from numbanorm.kernels.simd.sums import load_sum, no_sum
from numbanorm.kernels.simd.vec import splat_wide, total
from numbanorm.kernels.tiles import spread_of

# --- moments --------------------------------------------------------------------------------------


@leaf
def tile_moments(tile, per, work, count, mean, m2):
    """Merge a tile into n / per statistics that hold `count` values each."""
    spread = spread_of(tile.rows // tile.fold, tile.stride)
    sum_tile(moment, (work[0], work[1]), tile, (), spread)
    settle_tile(tile, per, work, count, mean, m2)


@leaf
def settle_tile(tile, per, work, count, mean, m2):
    """Merge a tile whose column sums are in `work` already."""
    x, rows, _, n, left = tile
    s1, s2 = work[0], work[1]
    more = float(rows * per)
    if per == 1 and left > 1:
        add_folds(s1, n, left, x)
        add_folds(s2, n, left, x)
        left = 1
    hard, g = 0, 0
    while g < n // per:
        if per * left == 1 and settle_vector(s1, s2, g, n, more, count, mean, m2, x):
            g += lanes(x)
        else:
            centre, deviations, again = column_moments(work, g, n, per, left, more, x)
            if again:
                hard += 1
            else:
                merge_at(count, mean, m2, g, more, centre, deviations)
            g += 1
    if hard > 0:
        look_again(tile, per, left, work, count, mean, m2)


@inlined
def add_folds(sums, n, fold, like):
    """Add all folds of n columns to the first.

    The last vector may have columns of others in it: what stands behind the n is lost.
    """
    for j in range(0, n, lanes(like)):
        v = load_sum(at(sums, j), like)
        # A sum of nothing is 0, not -0.
        v = v if n % lanes(like) == 0 else no_sum(like) + v
        for f in range(1, fold):
            v = v + load_sum(at(sums, f * n + j), like)
        store(at(sums, j), v)


@inlined
def fold_columns(combine, sums, n, fold, like):
    """Combine all folds of n columns into the first, halves first: what needs no order.

    ``combine(a, b)`` does so with tuples of vectors, one for each array of `sums`. What stands
    behind the n is lost.
    """
    while fold > 1:
        fold //= 2
        half = n * fold
        for j in range(0, half, lanes(like)):
            store(
                at(sums, j),
                combine(load_sum(at(sums, j), like), load_sum(at(sums, half + j), like)),
            )


@inlined
def settle_vector(s1, s2, g, n, more, count, mean, m2, like):
    """Merge a vector of statistics of one column each, if none needs a second look; else False.

    The arithmetic is that of `column_moments` and `merge`, lane by lane.
    """
    if g + lanes(like) > n:
        return False
    plain, squares = load_sum(at(s1, g), like), load_sum(at(s2, g), like)
    centre = plain / splat_wide(more, like)
    deviations = squares - plain * centre
    if not all_above(deviations, squares * splat_wide(shift_floor(like), like)):
        return False
    merge_vector(count, at(mean, g), at(m2, g), more, centre, deviations, like)
    return True


@inlined
def merge_vector(count, mean, m2, more, centre, deviations, like):
    """Merge a vector of moments into those at mean and m2, as `merge` does, lane by lane."""
    if count > 0:
        share = more / (count + more)
        before = load_sum(mean, like)
        delta = centre - before
        centre = before + delta * splat_wide(share, like)
        rest = delta * delta * splat_wide(count * share, like)
        deviations = load_sum(m2, like) + deviations + rest
    store(mean, centre)
    store(m2, deviations)


@inlined
def merge_all(count, mean, m2, n, more, more_mean, more_m2):
    """Merge n moments into those at mean and m2."""
    step = lanes(mean)
    whole = n - n % step
    for g in range(0, whole, step):
        centre, deviations = load(at(more_mean, g)), load(at(more_m2, g))
        merge_vector(count, at(mean, g), at(m2, g), more, centre, deviations, mean)
    for g in range(whole, n):
        merge_at(count, mean, m2, g, more, get(more_mean, g), get(more_m2, g))


@inlined
def column_total(sums, first, n, fold, columns, like):
    """Return the sum of columns [first, first + n) over all folds of the rows."""
    step = lanes(like)
    result = 0.0
    for f in range(fold):
        base, whole = f * columns + first, n - n % step
        if whole > 0:
            v = no_sum(like)
            for j in range(0, whole, step):
                v = v + load_sum(at(sums, base + j), like)
            result += total(v)
        for j in range(whole, n):
            result += get(sums, base + j)
    return result


@inlined
def column_moments(work, g, n, per, fold, count, like):
    """Return statistic g's mean, its squared deviations, and whether they cancelled."""
    plain = column_total(work[0], g * per, per, fold, n, like)
    squares = column_total(work[1], g * per, per, fold, n, like)
    centre = plain / count
    deviations = squares - plain * centre
    return centre, deviations, needs_shift(deviations, squares, like) and math.isfinite(centre)


@leaf
def look_again(tile, per, left, work, count, mean, m2):
    """Read a tile again, around the means that `work` holds, for those statistics that need it.

    `left` of the folds are not added up yet.
    """
    x, rows, _, n, fold = tile
    s1, s2, shift = work[0], work[1], work[2]
    more = float(rows * per)
    for g in range(n // per):
        centre, _, again = column_moments(work, g, n, per, left, more, x)
        for f in range(fold):
            for j in range(per):
                put(shift, f * n + g * per + j, centre if again else math.inf)
    sum_tile(moment_around, (s1, s2), tile, (shift,), 0)
    for g in range(n // per):
        centre = get(shift, g * per)
        if centre != math.inf:
            plain = column_total(s1, g * per, per, fold, n, x)
            squares = column_total(s2, g * per, per, fold, n, x)
            deviations = not_negative(squares - plain * (plain / more))
            merge_at(count, mean, m2, g, more, centre + plain / more, deviations)


# --- normalising while reading the next slab ------------------------------------------------------


@leaf
def normalize_reading(target, slab, outer, per, work, mean, m2):
    """Normalise a slab of columns while finding the moments of the next one.

    `slab` is the tile of the next one's first rows; both go down all `outer` rows, in tiles of so
    many. The sums are those of `tile_moments`, to the bit.
    """
    z, rows, stride, n, fold = slab
    for first in range(0, outer, rows):
        e = first * stride
        tile = Tile(at(z, e), min(rows, outer - first), stride, n, fold)
        sum_and_write(moment, (work[0], work[1]), tile.x, normalize, moved(target, e, 0), tile)
        settle_tile(tile, per, work, float(first * per), mean, m2)


# --- gradients ------------------------------------------------------------------------------------


@leaf
def tile_gradient(tile, work, centres):
    """Sum a tile of dy and x into the fresh column sums of `work`.

    `centres` has each column's `gradient_centre`.
    """
    sum_tile(gradient, (work[0], work[1], work[2]), tile, centres, 0)


@leaf
def line_totals(work, n, fold, first, run, like):
    """Return the three sums of a line, `run` columns from `first` on, from its column sums."""
    return (
        column_total(work[0], first, run, fold, n, like),
        column_total(work[1], first, run, fold, n, like),
        column_total(work[2], first, run, fold, n, like),
    )
