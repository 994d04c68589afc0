"""Forward leaves that go along memory: a statistic is made of long contiguous runs.

`read` sums a run and its squares in float64. `affine` normalises a run by given coefficients.
`read_affine` does both at once, each to another run: memory then reads and writes at the same time.
A tile's sums are four wide vectors in memory (two of values, two of squares), so that the same
order of addition comes about however a tile's runs are visited.
"""

from numbanorm.kernels.options import inlined, leaf
from numbanorm.kernels.pointers import at, elements_to_line, get, rounded
from numbanorm.kernels.statistics import merge, merge_at, needs_shift, not_negative
from numbanorm.kernels.tiles import along_tiles, piece
from numbanorm.kernels.vec import (
    fma,
    join,
    keep_first,
    lanes,
    load,
    load_first,
    load_lanes,
    load_sum,
    no_sum,
    prefetch,
    prefetch_write,
    splat,
    splat_wide,
    store,
    store_lanes,
    stream,
    total,
    widen,
)

# How many vectors ahead of the reading a cache line is asked for: runs of a few hundred elements
# defeat the hardware's prefetcher. 16 to 128 measured alike within 5 %.
AHEAD = 32

# The same for what is normalised and comes from a cache.
NEAR = 12


@inlined
def clear(sums, count, like):
    """Set `count` wide vectors of sums to zero."""
    for i in range(count):
        store(at(sums, i * lanes(like)), no_sum(like))


@inlined
def put_vector(y, v, streamed):
    """Write a vector, past the caches if `streamed`."""
    if streamed:
        stream(y, v)
    else:
        store(y, v)


@leaf
def read(sums, x, n):
    """Add n contiguous elements, and their squares, to a tile's sums."""
    step = lanes(x)
    a0, a1 = load_sum(sums, x), load_sum(at(sums, step), x)
    b0, b1 = load_sum(at(sums, 2 * step), x), load_sum(at(sums, 3 * step), x)
    pairs = n - n % (2 * step)
    for i in range(0, pairs, 2 * step):
        u, v = widen(load(at(x, i))), widen(load(at(x, i + step)))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
    if pairs < n:
        u = widen(load_first(at(x, pairs), n - pairs))
        v = widen(load_first(at(x, pairs + step), n - pairs - step))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
    store(sums, a0)
    store(at(sums, step), a1)
    store(at(sums, 2 * step), b0)
    store(at(sums, 3 * step), b1)


@leaf
def read_shifted(sums, x, n, shift):
    """Add the distances of n contiguous elements from `shift`, and their squares, to the sums."""
    step = lanes(x)
    a, b = load_sum(sums, x), load_sum(at(sums, 2 * step), x)
    by = splat_wide(shift, x)
    whole = n - n % step
    for i in range(0, whole, step):
        d = widen(load(at(x, i))) - by
        a, b = a + d, fma(d, d, b)
    if whole < n:
        d = keep_first(widen(load_first(at(x, whole), n - whole)) - by, n - whole)
        a, b = a + d, fma(d, d, b)
    store(sums, a)
    store(at(sums, 2 * step), b)


@leaf
def settle(sums, x, stride, rows, n):
    """Turn a tile's sums into its mean and sum of squared deviations.

    Where squares - sum*mean would cancel, the tile, still in cache, is read again around its mean.
    """
    step = lanes(x)
    count = float(rows * n)
    squares = total(load_sum(at(sums, 2 * step), x) + load_sum(at(sums, 3 * step), x))
    plain = total(load_sum(sums, x) + load_sum(at(sums, step), x))
    mean = plain / count
    m2 = squares - plain * mean
    if needs_shift(m2, squares, x):
        clear(sums, 4, x)
        for r in range(rows):
            read_shifted(sums, at(x, r * stride), n, mean)
        plain = total(load_sum(sums, x))
        m2 = total(load_sum(at(sums, 2 * step), x)) - plain * (plain / count)
        mean += plain / count
    return mean, not_negative(m2)


@leaf
def tile_moments(sums, x, outer, stride, chunk, tile):
    """Return (count, mean, m2) of one tile of a statistic whose first element x points to."""
    rows, parts, _ = along_tiles(outer, chunk)
    first = tile // parts * rows
    rows = min(rows, outer - first)
    start, stop = piece(chunk, parts, tile % parts)
    base = at(x, first * stride + start)
    clear(sums, 4, x)
    for r in range(rows):
        read(sums, at(base, r * stride), stop - start)
    mean, m2 = settle(sums, base, stride, rows, stop - start)
    return float(rows * (stop - start)), mean, m2


@leaf
def slice_moments(sums, x, outer, stride, chunk):
    """Return (mean, m2) of a whole statistic, its tiles merged in order."""
    count, mean, m2 = 0.0, 0.0, 0.0
    _, _, tiles = along_tiles(outer, chunk)
    for tile in range(tiles):
        more, more_mean, more_m2 = tile_moments(sums, x, outer, stride, chunk, tile)
        mean, m2 = merge(count, mean, m2, more, more_mean, more_m2)
        count += more
    return mean, m2


@inlined
def apply(x, scale, offset, rest, slope, bias):
    """Normalise one vector; the arguments are `statistics.coefficients`, one per lane."""
    return fma(fma(x, scale, offset) - rest, slope, bias)


@inlined
def peel(y, n, streamed):
    """Return how many elements to write before y is on a cache line, where that pays."""
    return min(n, elements_to_line(y)) if streamed or n >= 256 else 0


@inlined
def expect_edge(y, streamed):
    """Ask for the line that a run ends in before y, if only part of it: the rest must be read."""
    if streamed and elements_to_line(y) > 0:
        prefetch_write(y)


@inlined
def vectors_of(coefs):
    """Return a vector of each coefficient."""
    scale, offset, rest, slope, bias = coefs
    return splat(scale), splat(offset), splat(rest), splat(slope), splat(bias)


@inlined
def affine_edge(y, x, before, n, coefs):
    """Normalise n < lanes elements that share a cache line with `before` earlier ones.

    The whole line is addressed, under a mask: a masked vector that reaches into the next line would
    fetch that line too, just before it is streamed over.
    """
    s, o, r, a, b = vectors_of(coefs)
    v = apply(load_lanes(at(x, -before), before, before + n), s, o, r, a, b)
    store_lanes(at(y, -before), v, before, before + n)


@inlined
def affine_tail(y, x, n, coefs, after, joins, streamed):
    """Normalise the last n < lanes elements of a run and, if it `joins` the next one, the first of
    that, by their coefficients `after`: together they fill the cache line at y.
    """
    if joins:
        s, o, r, a, b = vectors_of(coefs)
        s1, o1, r1, a1, b1 = vectors_of(after)
        v = load(x)
        w = join(apply(v, s, o, r, a, b), apply(v, s1, o1, r1, a1, b1), n)
        put_vector(y, w, streamed)
    else:
        affine_edge(y, x, 0, n, coefs)


@inlined
def affine_head(y, x, n, coefs, joined, streamed):
    """Normalise what stands before the first cache line of a run, unless the last run did; returns
    how much that is.
    """
    head = peel(y, n, streamed)
    if head > 0 and not joined:
        affine_edge(y, x, lanes(x) - elements_to_line(y), head, coefs)
    return head


@leaf
def affine(y, x, n, coefs, after, joined, joins, streamed):
    """Normalise n contiguous elements by one set of coefficients.

    `joins` says that the next run follows in memory and has the coefficients `after`, `joined` that
    this one so follows another: a cache line that two runs share is written once, whole.
    """
    step = lanes(x)
    s, o, r, a, b = vectors_of(coefs)
    if not joins:
        expect_edge(at(y, n), streamed)
    head = affine_head(y, x, n, coefs, joined, streamed)
    last = n - (n - head) % step
    pairs = head + (last - head) // (2 * step) * (2 * step)
    if head < pairs:
        u, v = load(at(x, head)), load(at(x, head + step))
        for i in range(head, pairs, 2 * step):
            prefetch(at(x, i + AHEAD * step))
            prefetch(at(x, i + (AHEAD + 1) * step))
            more = min(i + 2 * step, pairs - 2 * step)
            u1, v1 = load(at(x, more)), load(at(x, more + step))
            put_vector(at(y, i), apply(u, s, o, r, a, b), streamed)
            put_vector(at(y, i + step), apply(v, s, o, r, a, b), streamed)
            u, v = u1, v1
    if pairs < last:
        put_vector(at(y, pairs), apply(load(at(x, pairs)), s, o, r, a, b), streamed)
    if last < n:
        affine_tail(at(y, last), at(x, last), n - last, coefs, after, joins, streamed)


@leaf
def read_affine(sums, z, y, x, n, behind, coefs, after, joined, joins, streamed):
    """Read n elements of z, as `read` does, while normalising n elements of x, as `affine` does.

    `behind` is how far on the work goes on after these n elements, in all three.
    """
    step = lanes(x)
    s, o, r, a, b = vectors_of(coefs)
    if not joins:
        expect_edge(at(y, n), streamed)
        expect_edge(at(y, behind), streamed)
    head = affine_head(y, x, n, coefs, joined, streamed)
    xs, ys = at(x, head), at(y, head)
    pairs = (n - head) // (2 * step) * (2 * step)
    a0, a1 = load_sum(sums, x), load_sum(at(sums, step), x)
    b0, b1 = load_sum(at(sums, 2 * step), x), load_sum(at(sums, 3 * step), x)
    near = n - AHEAD * step
    if pairs > 0:
        g, h = load(xs), load(at(xs, step))
    for i in range(0, pairs, 2 * step):
        far = at(z, i + AHEAD * step if i < near else i - near + behind)
        prefetch(far)
        prefetch(at(far, step))
        u, v = widen(load(at(z, i))), widen(load(at(z, i + step)))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
        more = min(i + 2 * step, pairs - 2 * step)
        prefetch(at(xs, i + NEAR * step))
        prefetch(at(xs, i + (NEAR + 1) * step))
        g1, h1 = load(at(xs, more)), load(at(xs, more + step))
        put_vector(at(ys, i), apply(g, s, o, r, a, b), streamed)
        put_vector(at(ys, i + step), apply(h, s, o, r, a, b), streamed)
        g, h = g1, h1
    for i in range(pairs, n, 2 * step):
        u = widen(load_first(at(z, i), n - i))
        v = widen(load_first(at(z, i + step), n - i - step))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
    store(sums, a0)
    store(at(sums, step), a1)
    store(at(sums, 2 * step), b0)
    store(at(sums, 3 * step), b1)
    last = n - (n - head) % step
    if head + pairs < last:
        i = head + pairs
        put_vector(at(y, i), apply(load(at(x, i)), s, o, r, a, b), streamed)
    if last < n:
        affine_tail(at(y, last), at(x, last), n - last, coefs, after, joins, streamed)


@leaf
def normalize_reading(
    sums, y, x, z, outer, stride, chunk, bundle, table, count, mean, m2, streamed
):
    """Normalise a bundle of adjacent statistics from x to y while reading the next bundle, z.

    x, y and z point to first elements; `table` holds five float64 coefficients for each statistic
    of x's bundle; the moments of z's are merged into mean and m2, which hold `count` values each.
    `sums` is room for the sums of each. They are those of `slice_moments`, to the bit.
    """
    step = lanes(x)
    rows, parts, tiles = along_tiles(outer, chunk)
    for tile in range(tiles):
        first = tile // parts * rows
        here = min(rows, outer - first)
        start, stop = piece(chunk, parts, tile % parts)
        n, base = stop - start, first * stride + start
        clear(sums, 4 * bundle, x)
        for r in range(here):
            for k in range(bundle):
                i = base + r * stride + k * chunk
                j = next_run(i, n, stride, chunk, bundle, k, stop)
                joins = streamed and k + 1 < bundle and chunk >= 2 * step
                joined = streamed and k > 0 and chunk >= 2 * step
                coefs = table_row(table, k, x)
                after = table_row(table, k + 1 if joins else k, x)
                mine = at(sums, 4 * step * k)
                read_affine(
                    mine,
                    at(z, i),
                    at(y, i),
                    at(x, i),
                    n,
                    j - i,
                    coefs,
                    after,
                    joined,
                    joins,
                    streamed,
                )
        more = float(here * n)
        for k in range(bundle):
            mine = at(sums, 4 * step * k)
            centre, deviations = settle(mine, at(z, base + k * chunk), stride, here, n)
            merge_at(count, mean, m2, k, more, centre, deviations)
        count += more


@inlined
def next_run(i, n, stride, chunk, bundle, k, stop):
    """Return where the run after the one of n elements at i starts."""
    if stop < chunk or k + 1 < bundle:
        return i + n
    return i - k * chunk + (n - stop) + stride


@inlined
def table_row(table, k, like):
    """Return the coefficients of statistic k of a bundle, in x's type."""
    return (
        rounded(like, get(table, 5 * k)),
        rounded(like, get(table, 5 * k + 1)),
        rounded(like, get(table, 5 * k + 2)),
        rounded(like, get(table, 5 * k + 3)),
        rounded(like, get(table, 5 * k + 4)),
    )
