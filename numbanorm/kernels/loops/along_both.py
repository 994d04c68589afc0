"""Normalising along memory while reading the next statistic: memory reads and writes at once.

The sums of what is read are those of `along_moments`, to the bit.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_affine import (
    AHEAD,
    affine_head,
    affine_tail,
    apply,
    expect_edge,
    put_vector,
    vectors_of,
)
from numbanorm.kernels.loops.along_moments import clear, settle
from numbanorm.kernels.loops.statistics import coefficients, merge_at, or_else
from numbanorm.kernels.simd.memory import lanes, load, load_first, load_sum, prefetch, store
from numbanorm.kernels.simd.pointers import at, get, rounded
from numbanorm.kernels.simd.vec import fma, widen
from numbanorm.kernels.tiles import along_tiles, ceil_div, piece

# How many vectors ahead what is normalised, and comes from a cache, is asked for.
NEAR = 12


@leaf
def read_affine(sums, z, more, y, x, n, behind, coefs, after, joined, joins, streamed):
    """Read `more` elements of z, as `read` does, while normalising n of x, as `affine` does.

    `behind` is how far on the work goes on after that, in all three.
    """
    step = lanes(x)
    s, o, r, a, b = vectors_of(coefs)
    if not joins:
        expect_edge(at(y, n), streamed)
        expect_edge(at(y, behind), streamed)
    head = affine_head(y, x, n, coefs, joined, streamed)
    xs, ys = at(x, head), at(y, head)
    both = min(more, n - head) // (2 * step) * (2 * step)
    a0, a1 = load_sum(sums, x), load_sum(at(sums, step), x)
    b0, b1 = load_sum(at(sums, 2 * step), x), load_sum(at(sums, 3 * step), x)
    near = more - AHEAD * step
    if both > 0:
        g, h = load(xs), load(at(xs, step))
    for i in range(0, both, 2 * step):
        far = at(z, i + AHEAD * step if i < near else i - near + behind)
        prefetch(far)
        prefetch(at(far, step))
        u, v = widen(load(at(z, i))), widen(load(at(z, i + step)))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
        then = min(i + 2 * step, both - 2 * step)
        prefetch(at(xs, i + NEAR * step))
        prefetch(at(xs, i + (NEAR + 1) * step))
        g1, h1 = load(at(xs, then)), load(at(xs, then + step))
        put_vector(at(ys, i), apply(g, s, o, r, a, b), streamed)
        put_vector(at(ys, i + step), apply(h, s, o, r, a, b), streamed)
        g, h = g1, h1
    for i in range(both, more, 2 * step):
        u = widen(load_first(at(z, i), more - i))
        v = widen(load_first(at(z, i + step), more - i - step))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
    store(sums, a0)
    store(at(sums, step), a1)
    store(at(sums, 2 * step), b0)
    store(at(sums, 3 * step), b1)
    last = n - (n - head) % step
    for i in range(head + both, last, step):
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
                    n,
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


@leaf
def normalize_lines_reading(
    sums, y, x, z, width, run, slot, centre, rstd, weight, bias, mean, m2, streamed
):
    """Normalise a contiguous statistic of `width` lines from x to y while reading the next one, z.

    Each line has a weight and a bias of its own, from `slot` on. The moments of z are written to
    mean and m2. A line is cut where a tile of z ends.
    """
    step, chunk = lanes(x), width * run
    _, parts, tiles = along_tiles(1, chunk)
    joined, count = False, 0.0
    after = slot_coefficients(centre, rstd, weight, bias, slot, x)
    for tile in range(tiles):
        start, stop = piece(chunk, parts, tile)
        _, next_stop = piece(chunk, parts, tile + 1)
        clear(sums, 4, x)
        done, i = start, start
        while i < stop:
            coefs = after
            end = min((i // run + 1) * run, stop)
            if end % run == 0 and end < chunk:
                after = slot_coefficients(centre, rstd, weight, bias, slot + end // run, x)
            following = min((end // run + 1) * run, stop if end < stop else next_stop) - end
            # Both must reach a cache line: a tile may end a few elements before its line does.
            joins = streamed and run >= 2 * step and min(end - i, following) >= step
            # Reading goes on in whole pairs of vectors from the tile's start, as `read` does.
            target = start + ceil_div(end - start, 2 * step) * (2 * step)
            more = min(target, stop) - done
            read_affine(
                sums,
                at(z, done),
                more,
                at(y, i),
                at(x, i),
                end - i,
                more,
                coefs,
                after,
                joined,
                joins,
                streamed,
            )
            done, i, joined = done + more, end, joins
        here = float(stop - start)
        found, deviations = settle(sums, at(z, start), 0, 1, stop - start)
        merge_at(count, mean, m2, 0, here, found, deviations)
        count += here


@inlined
def slot_coefficients(mean, rstd, weight, bias, slot, like):
    """Return the coefficients of a line with this weight and bias."""
    return coefficients(mean, rstd, or_else(weight, slot, 1.0), or_else(bias, slot, 0.0), like)
