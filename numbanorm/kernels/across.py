"""Forward leaves that go across memory: a statistic is made of columns, one element per row.

Column sums are float64 vectors in memory, updated for eight rows at a time; short rows are laid
side by side first (`tiles.folds`), so that x is always `rows` long rows of whole vectors. A
statistic may own several columns (a group of NHWC channels, or the small image of an NCHW channel).
"""

import math

from numbanorm.kernels.along import (
    AHEAD,
    apply,
    clear,
    expect_edge,
    peel,
    put_vector,
)
from numbanorm.kernels.options import inlined, leaf
from numbanorm.kernels.pointers import at, elements_to_line, get, is_null, put
from numbanorm.kernels.statistics import (
    coefficients,
    merge_at,
    needs_shift,
    not_negative,
    or_else,
    reciprocal_deviation,
    shift_floor,
)
from numbanorm.kernels.vec import (
    all_above,
    fma,
    keep_first,
    lanes,
    load,
    load_first,
    load_lanes,
    load_sum,
    narrow,
    no_sum,
    prefetch,
    root,
    splat,
    splat_wide,
    store,
    store_lanes,
    total,
    widen,
)


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
        # Eight places of a contiguous tile at once are read 13 % faster than eight rows in turn.
        spread = folded // 8 if n == stride else 0
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
    hard, g = 0, 0
    while g < n // per:
        if per * fold == 1 and settle_vector(s1, s2, g, n, more, count, mean, m2, x):
            g += lanes(x)
        else:
            centre, deviations, again = column_moments(s1, s2, g, n, per, fold, more, x)
            if again:
                hard += 1
            else:
                merge_at(count, mean, m2, g, more, centre, deviations)
            g += 1
    if hard > 0:
        look_again(x, rows, stride, n, per, fold, work, room, count, mean, m2)


@inlined
def settle_vector(s1, s2, g, n, more, count, mean, m2, like):
    """Merge a vector of statistics of one column each, if none needs a second look; else False.

    The arithmetic is that of `column_moments` and `merge`, lane by lane.
    """
    if g + lanes(like) > n:
        return False
    plain, squares, counts = load_sum(at(s1, g), like), load_sum(at(s2, g), like), more
    centre = plain / splat_wide(counts, like)
    deviations = squares - plain * centre
    if not all_above(deviations, squares * splat_wide(shift_floor(like), like)):
        return False
    if count > 0:
        share = more / (count + more)
        before = load_sum(at(mean, g), like)
        delta = centre - before
        centre = before + delta * splat_wide(share, like)
        rest = delta * delta * splat_wide(count * share, like)
        deviations = load_sum(at(m2, g), like) + deviations + rest
    store(at(mean, g), centre)
    store(at(m2, g), deviations)
    return True


@inlined
def column_moments(s1, s2, g, n, per, fold, count, like):
    """Return statistic g's mean, its squared deviations, and whether they cancelled."""
    plain = column_total(s1, g * per, per, fold, n, like)
    squares = column_total(s2, g * per, per, fold, n, like)
    centre = plain / count
    deviations = squares - plain * centre
    return centre, deviations, needs_shift(deviations, squares, like) and math.isfinite(centre)


@leaf
def look_again(x, rows, stride, n, per, fold, work, room, count, mean, m2):
    """Read a tile again, around the means that `work` holds, for those statistics that need it."""
    s1, s2, shift = work, at(work, room), at(work, 2 * room)
    more = float(rows * per)
    for g in range(n // per):
        centre, _, again = column_moments(s1, s2, g, n, per, fold, more, x)
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


@inlined
def fill(p, n, value):
    """Set n elements, and up to a vector more, to a value of p's type."""
    v = splat(value)
    for i in range(0, n, lanes(p)):
        store(at(p, i), v)


@leaf
def affine_columns(y, x, n, behind, coefs, room, streamed):
    """Normalise n contiguous elements, each by the coefficients of its own column.

    `behind` is how far from x the work goes on after these n.
    `coefs` points to the first column's scale; offset, rest, slope and bias follow, `room` apart.
    """
    step = lanes(x)
    head = peel(y, n, streamed)
    last = n - (n - head) % step
    affine_edges(y, x, 1, behind, n, head, last, coefs, room, streamed)
    for i in range(head, last, step):
        far = i + AHEAD * step
        prefetch(at(x, far if far < n else far - n + behind))
        put_vector(at(y, i), apply_columns(load(at(x, i)), at(coefs, i), room), streamed)


@inlined
def apply_columns(x, coefs, room):
    """Normalise one vector by the coefficients of its columns."""
    return apply(
        x,
        load(coefs),
        load(at(coefs, room)),
        load(at(coefs, 2 * room)),
        load(at(coefs, 3 * room)),
        load(at(coefs, 4 * room)),
    )


@inlined
def load_coefficients(coefs, room):
    """Return the coefficients of a vector of columns."""
    return (
        load(coefs),
        load(at(coefs, room)),
        load(at(coefs, 2 * room)),
        load(at(coefs, 3 * room)),
        load(at(coefs, 4 * room)),
    )


@inlined
def affine_edge(y, x, before, n, coefs, room):
    """Normalise n < lanes columns that share a cache line with `before` earlier ones.

    `coefs` may be read, but not used, for as many columns before the first.
    """
    v = apply_columns(load_lanes(at(x, -before), before, before + n), at(coefs, -before), room)
    store_lanes(at(y, -before), v, before, before + n)


@inlined
def affine_edges(y, x, rows, stride, n, head, last, coefs, room, streamed):
    """Normalise the columns that don't fill a cache line: below `head`, and from `last` on."""
    for r in range(rows):
        i = r * stride
        if head > 0:
            affine_edge(at(y, i), at(x, i), lanes(x) - elements_to_line(y), head, coefs, room)
        if last < n:
            affine_edge(at(y, i + last), at(x, i + last), 0, n - last, at(coefs, last), room)
        expect_edge(at(y, i + rows * stride), streamed)
        expect_edge(at(y, i + rows * stride + n), streamed)


@leaf
def affine_group(y, x, rows, stride, n, coefs, room, streamed):
    """Normalise n columns of up to 8 rows, all equally far from a cache line in y."""
    step = lanes(x)
    head = peel(y, n, streamed)
    last = n - (n - head) % step
    affine_edges(y, x, rows, stride, n, head, last, coefs, room, streamed)
    for j in range(head, last, step):
        s, o, d, a, b = load_coefficients(at(coefs, j), room)
        if rows == 8:
            for r in range(8):
                i = r * stride + j
                prefetch(at(x, i + 8 * stride))
                put_vector(at(y, i), apply(load(at(x, i)), s, o, d, a, b), streamed)
        else:
            for r in range(rows):
                i = r * stride + j
                put_vector(at(y, i), apply(load(at(x, i)), s, o, d, a, b), streamed)


@leaf
def add_and_affine(s1, s2, z, y, x, stride, n, coefs, room, streamed):
    """Add 8 rows of z to its column sums, as `add_rows` does, while normalising 8 rows of x."""
    step = lanes(x)
    head = peel(y, n, streamed)
    last = n - (n - head) % step
    affine_edges(y, x, 8, stride, n, head, last, coefs, room, streamed)
    xs, ys, cs = at(x, head), at(y, head), at(coefs, head)
    for j in range(0, last - head, step):
        p, q = load_sum(at(s1, j), x), load_sum(at(s2, j), x)
        s, o, d, a, b = load_coefficients(at(cs, j), room)
        for r in range(8):
            i = r * stride + j
            prefetch(at(z, i + 8 * stride))
            v = widen(load(at(z, i)))
            p, q = p + v, fma(v, v, q)
            put_vector(at(ys, i), apply(load(at(xs, i)), s, o, d, a, b), streamed)
        store(at(s1, j), p)
        store(at(s2, j), q)
    done = last - head
    add_rows(at(z, done), 8, stride, n - done, 8 * stride, at(s1, done), at(s2, done))


@leaf
def fill_coefficients(coefs, room, view, s, first, n, fold, mean, var, eps, weight, bias):
    """Write the coefficients of n columns from `first` on, `fold` times and a vector more.

    The columns are those of batch entry s; mean and var hold (batch, group) values.
    """
    _, _, group, width, run = view
    line, stop = first // run, (first + n) // run
    while line < stop:
        g = line // width
        i, here = s * group + g, at(coefs, line * run - first)
        if (
            width * run == 1
            and line + lanes(coefs) <= stop
            and fill_vector(here, room, at(mean, i), at(var, i), eps, weight, bias, line)
        ):
            line += lanes(coefs)
            continue
        rstd = reciprocal_deviation(get(var, i), eps)
        weighted, biased = or_else(weight, line, 1.0), or_else(bias, line, 0.0)
        values = coefficients(get(mean, i), rstd, weighted, biased, coefs)
        for k in range(5):
            fill(at(here, k * room), run, values[k])
        line += 1
    repeat(coefs, 5, room, n, n * fold + lanes(coefs))


@inlined
def fill_vector(coefs, room, mean, var, eps, weight, bias, line):
    """Write the coefficients of a vector of columns, if all are ordinary; else return False.

    The arithmetic is that of `reciprocal_deviation` and `coefficients`, lane by lane.
    """
    one, zero = splat_wide(1.0, coefs), splat_wide(0.0, coefs)
    w = one if is_null(weight) else load_sum(at(weight, line), coefs)
    b = zero if is_null(bias) else load_sum(at(bias, line), coefs)
    rstd = one / root(load_sum(var, coefs) + splat_wide(eps, coefs))
    slopes = rstd * w
    size, low = slopes * slopes, splat_wide(2.0**-180, coefs)
    high, lowest = splat_wide(2.0**180, coefs), splat_wide(2.0**-60, coefs)
    ordinary = all_above(rstd, lowest) and all_above(splat_wide(2.0**60, coefs), rstd)
    if not (ordinary and all_above(size, low) and all_above(high, size)):
        return False
    centre = load_sum(mean, coefs)
    near = narrow(centre, coefs)
    store(coefs, narrow(one, coefs))
    store(at(coefs, room), narrow(zero - widen(near), coefs))
    store(at(coefs, 2 * room), narrow(centre - widen(near), coefs))
    store(at(coefs, 3 * room), narrow(slopes, coefs))
    store(at(coefs, 4 * room), narrow(b, coefs))
    return True


@inlined
def repeat(p, arrays, room, n, stop):
    """Continue the first n elements of each array periodically up to `stop`."""
    for k in range(arrays):
        for i in range(n, stop):
            put(p, k * room + i, get(p, k * room + i - n))


@leaf
def normalize_reading(
    y, x, z, outer, stride, n, per, rows, work, coefs, room, count, mean, m2, streamed
):
    """Normalise a slab of n columns from x to y, while merging the next slab's, z's, moments.

    Both go down all `outer` rows, in tiles of `rows`; mean and m2 belong to z, and `count` is 0.
    The sums are those of `tile_moments`, to the bit.
    """
    step = lanes(x)
    vectors = (n + step - 1) // step
    s1, s2 = work, at(work, room)
    for first in range(0, outer, rows):
        here = min(rows, outer - first)
        clear(s1, vectors, x)
        clear(s2, vectors, x)
        whole = here - here % 8
        for r in range(0, whole, 8):
            i = (first + r) * stride
            add_and_affine(s1, s2, at(z, i), at(y, i), at(x, i), stride, n, coefs, room, streamed)
        if whole < here:
            i = (first + whole) * stride
            add_rows(at(z, i), here - whole, stride, n, 0, s1, s2)
            affine_group(at(y, i), at(x, i), here - whole, stride, n, coefs, room, streamed)
        base = at(z, first * stride)
        settle_tile(base, here, stride, n, per, 1, work, room, count, mean, m2)
        count += float(here * per)
