"""Moments across memory: a statistic is made of columns, one element per row.

Column sums are float64 vectors in memory, updated for eight rows at a time; short rows are laid
side by side first (`tiles.folds`), so that x is always `rows` long rows of whole vectors. A
statistic may own several columns (a group of NHWC channels, or the small image of an NCHW channel).
"""

import math

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_moments import clear
from numbanorm.kernels.loops.statistics import merge_at, needs_shift, not_negative, shift_floor
from numbanorm.kernels.simd.memory import lanes, load, load_first, load_sum, no_sum, prefetch, store
from numbanorm.kernels.simd.pointers import at, get, put
from numbanorm.kernels.simd.vec import all_above, fma, keep_first, splat_wide, total, widen
from numbanorm.kernels.tiles import spread_of


@leaf
def add_rows(x, rows, stride, n, behind, s1, s2):
    """Add `rows` rows of n elements to the column sums s1 and, squared, s2.

    `behind` is how far on the next rows are that will be added.
    """
    step = lanes(x)
    whole = n - n % step
    for j in range(0, whole, step):
        a, b = load_sum(at(s1, j), x), load_sum(at(s2, j), x)
        if rows == 8:
            for r in range(8):
                prefetch(at(x, r * stride + j + behind))
                v = widen(load(at(x, r * stride + j)))
                a, b = a + v, fma(v, v, b)
        else:
            for r in range(rows):
                v = widen(load(at(x, r * stride + j)))
                a, b = a + v, fma(v, v, b)
        store(at(s1, j), a)
        store(at(s2, j), b)
    if whole < n:
        a, b = load_sum(at(s1, whole), x), load_sum(at(s2, whole), x)
        for r in range(rows):
            v = widen(load_first(at(x, r * stride + whole), n - whole))
            a, b = a + v, fma(v, v, b)
        store(at(s1, whole), a)
        store(at(s2, whole), b)


@leaf
def add_rows_shifted(x, rows, stride, n, shift, s1, s2):
    """Add the distances of `rows` rows from `shift` (a value per column) to the column sums."""
    step = lanes(x)
    for j in range(0, n, step):
        a, b, by = load_sum(at(s1, j), x), load_sum(at(s2, j), x), load_sum(at(shift, j), x)
        for r in range(rows):
            # Without the mask, lanes behind the n columns would add -shift to other folds' sums.
            d = keep_first(widen(load_first(at(x, r * stride + j), n - j)) - by, n - j)
            a, b = a + d, fma(d, d, b)
        store(at(s1, j), a)
        store(at(s2, j), b)


@inlined
def column_total(sums, first, n, fold, columns, like):
    """Return the sum of columns [first, first + n) over all folds of the rows."""
    step = lanes(like)
    result = 0.0
    for f in range(fold):
        base = f * columns + first
        if n == 1:
            result += get(sums, base)
        else:
            whole = n - n % step
            v = no_sum(like)
            for j in range(0, whole, step):
                v = v + load_sum(at(sums, base + j), like)
            result += total(v)
            for j in range(whole, n):
                result += get(sums, base + j)
    return result


@leaf
def sum_tile(x, rows, stride, n, fold, shift, shifted, s1, s2):
    """Sum a tile of `rows` rows, each n of `stride` elements, into fresh column sums."""
    step = lanes(x)
    vectors = (n * fold + step - 1) // step
    clear(s1, vectors, x)
    clear(s2, vectors, x)
    folded = rows // fold
    long, n_long = stride * fold, n * fold
    if shifted:
        for r in range(folded):
            add_rows_shifted(at(x, r * long), 1, long, n_long, shift, s1, s2)
    else:
        spread = spread_of(folded, stride)
        for r in range(spread):
            add_rows(at(x, r * long), 8, spread * long, n_long, long, s1, s2)
        for r in range(8 * spread, folded, 8):
            add_rows(at(x, r * long), min(8, folded - r), long, n_long, 8 * long, s1, s2)
    left = rows % fold
    if left > 0:
        base = at(x, folded * long)
        if shifted:
            add_rows_shifted(base, 1, stride, n * left, shift, s1, s2)
        else:
            add_rows(base, 1, stride, n * left, 0, s1, s2)


@leaf
def tile_moments(x, rows, stride, n, per, fold, work, room, count, mean, m2):
    """Merge a tile of `rows` rows of n columns into n / per statistics that hold `count` each.

    x points to the tile's first element; `per` columns make a statistic. `work` is three times
    `room` float64s: sums, sums of squares, and the shift of each column.
    """
    sum_tile(x, rows, stride, n, fold, work, False, work, at(work, room))
    settle_tile(x, rows, stride, n, per, fold, work, room, count, mean, m2)


@leaf
def settle_tile(x, rows, stride, n, per, fold, work, room, count, mean, m2):
    """Merge a tile whose column sums are in `work` already."""
    s1, s2 = work, at(work, room)
    more = float(rows * per)
    # Folds that are whole vectors are added up first; the others one column at a time.
    left = fold
    if per == 1 and n % lanes(x) == 0 and fold > 1:
        add_folds(s1, n, fold, x)
        add_folds(s2, n, fold, x)
        left = 1
    hard, g = 0, 0
    while g < n // per:
        if per * left == 1 and settle_vector(s1, s2, g, n, more, count, mean, m2, x):
            g += lanes(x)
        else:
            centre, deviations, again = column_moments(s1, s2, g, n, per, left, more, x)
            if again:
                hard += 1
            else:
                merge_at(count, mean, m2, g, more, centre, deviations)
            g += 1
    if hard > 0:
        look_again(x, rows, stride, n, per, fold, left, work, room, count, mean, m2)


@inlined
def add_folds(sums, n, fold, like):
    """Add all folds of n columns, whole vectors, to the first."""
    for j in range(0, n, lanes(like)):
        v = load_sum(at(sums, j), like)
        for f in range(1, fold):
            v = v + load_sum(at(sums, f * n + j), like)
        store(at(sums, j), v)


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
def column_moments(s1, s2, g, n, per, fold, count, like):
    """Return statistic g's mean, its squared deviations, and whether they cancelled."""
    plain = column_total(s1, g * per, per, fold, n, like)
    squares = column_total(s2, g * per, per, fold, n, like)
    centre = plain / count
    deviations = squares - plain * centre
    return centre, deviations, needs_shift(deviations, squares, like) and math.isfinite(centre)


@leaf
def look_again(x, rows, stride, n, per, fold, left, work, room, count, mean, m2):
    """Read a tile again, around the means that `work` holds, for those statistics that need it.

    `left` of the `fold` folds are not added up yet.
    """
    s1, s2, shift = work, at(work, room), at(work, 2 * room)
    more = float(rows * per)
    for g in range(n // per):
        centre, _, again = column_moments(s1, s2, g, n, per, left, more, x)
        for f in range(fold):
            for j in range(per):
                put(shift, f * n + g * per + j, centre if again else math.inf)
    sum_tile(x, rows, stride, n, fold, shift, True, s1, s2)
    for g in range(n // per):
        centre = get(shift, g * per)
        if centre != math.inf:
            plain = column_total(s1, g * per, per, fold, n, x)
            squares = column_total(s2, g * per, per, fold, n, x)
            deviations = not_negative(squares - plain * (plain / more))
            merge_at(count, mean, m2, g, more, centre + plain / more, deviations)
