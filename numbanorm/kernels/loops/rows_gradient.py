"""Backward leaves of rows whose elements have a weight each: layer, RMS and flat group norm.

Here the gradients of the parameters are as large as a row, and a row's own sums need its weights:
the loops of `along_gradient`, with three sums for each line, would need six times x's memory. A row
is read for its two sums, then, from the cache, written and added to the parameters' sums: float64
vectors in memory, those of a tile of rows in one worker's cache.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_affine import AHEAD, expect_edge, peel, put_vector
from numbanorm.kernels.loops.along_gradient import centre
from numbanorm.kernels.loops.far import row_products
from numbanorm.kernels.loops.rows import at_if, load_lanes_or, load_or
from numbanorm.kernels.loops.statistics import gradient_coefficients, gradient_scale, mean_error
from numbanorm.kernels.simd.memory import (
    lanes,
    load,
    load_first,
    load_lanes,
    load_sum,
    no_sum,
    prefetch,
    store,
    store_lanes,
)
from numbanorm.kernels.simd.pointers import at, elements_to_line, get, is_null, put, rounded
from numbanorm.kernels.simd.vec import fma, keep_first, splat, splat_wide, total, widen
from numbanorm.kernels.tiles import along_tiles, piece


@leaf
def piece_sums(dy, x, n, weight, mean):
    """Return the sums of w*dy, w*dy * (x - mean) and x - mean over n contiguous elements."""
    step, one = lanes(x), splat(rounded(x, 1.0))
    m = splat_wide(mean, x)
    a0, a1, b0, b1, c0, c1 = no_sum(x), no_sum(x), no_sum(x), no_sum(x), no_sum(x), no_sum(x)
    pairs = n - n % (2 * step)
    for i in range(0, pairs, 2 * step):
        j = i + step
        g = widen(load(at(dy, i))) * widen(load_or(weight, i, one))
        h = widen(load(at(dy, j))) * widen(load_or(weight, j, one))
        u, v = widen(load(at(x, i))) - m, widen(load(at(x, j))) - m
        a0, a1 = a0 + g, a1 + h
        b0, b1 = fma(g, u, b0), fma(h, v, b1)
        c0, c1 = c0 + u, c1 + v
    for i in range(pairs, n, step):
        k = min(n - i, step)
        g = widen(load_first(at(dy, i), k)) * widen(load_lanes_or(at_if(weight, i), 0, k, one))
        u = keep_first(widen(load_first(at(x, i), k)) - m, k)
        a0, b0, c0 = a0 + g, fma(g, u, b0), c0 + u
    return total(a0 + a1), total(b0 + b1), total(c0 + c1)


@leaf
def tile_sums(dy, x, n, weight, mean, tile):
    """Return the three sums of one tile of a row of n elements."""
    _, parts, _ = along_tiles(1, n)
    start, stop = piece(n, parts, tile)
    return piece_sums(at(dy, start), at(x, start), stop - start, at_if(weight, start), mean)


@leaf
def row_table(table, dy, x, n, weight, mean, rstd, centred, sums):
    """Write what `gradient_row` needs to know of a row, in float64, from the row's three sums.

    That is its `gradient_coefficients`, what x_hat is in units of their centre, and rstd.
    """
    s0, s1, sx = sums
    error = mean_error(sx, float(n), mean, x) if centred else 0.0
    s1 = row_products(s1 - error * s0, dy, x, n, weight, mean, error, rstd)
    s0 = s0 if centred else 0.0
    found = gradient_coefficients(mean, rstd, error, s0, s1, float(n), True, x)
    for i in range(5):
        put(table, i, float(found[i]))
    put(table, 5, rstd / gradient_scale(mean + error, rstd, x))
    put(table, 6, rstd)


@inlined
def table_vectors(table, like):
    """Return a vector of each number of `row_table`; x_hat's unit is a wide one."""
    return (
        splat(rounded(like, get(table, 0))),
        splat(rounded(like, get(table, 1))),
        splat(rounded(like, get(table, 2))),
        splat(rounded(like, get(table, 3))),
        splat(rounded(like, get(table, 4))),
        splat_wide(get(table, 5), like),
        splat(rounded(like, get(table, 6))),
    )


@inlined
def slope_row(g, c, w, vectors):
    """Return dx for a vector of dy and one of centred x."""
    _, _, _, q, k, _, r = vectors
    return fma(w * g, r, fma(c, q, k))


@inlined
def more_sums(g, c, dweight, dbias, vectors, like):
    """Return the parameters' sums with a vector of dy * x_hat and of dy added to them."""
    wide, unit = widen(g), vectors[5]
    return fma(wide, widen(c) * unit, load_sum(dweight, like)), load_sum(dbias, like) + wide


@inlined
def gradient_edge(dx, dy, x, weight, before, n, dweight, dbias, vectors):
    """Do the same for n < lanes elements that share a cache line with `before` earlier ones.

    Those belong to another thread, in dx and in the sums, which are written under a mask too.
    """
    s, o, d, _, _, _, _ = vectors
    start, stop, p, q = before, before + n, at(dweight, -before), at(dbias, -before)
    g, v = load_lanes(at(dy, -start), start, stop), load_lanes(at(x, -start), start, stop)
    w = load_lanes_or(at_if(weight, -start), start, stop, splat(rounded(x, 1.0)))
    c = centre(v, s, o, d)
    store_lanes(at(dx, -start), slope_row(g, c, w, vectors), start, stop)
    t, u = more_sums(g, c, p, q, vectors, x)
    store_lanes(p, t, start, stop)
    store_lanes(q, u, start, stop)


@inlined
def row_body(
    dx, dy, x, weight, n, table, dweight, dbias, streamed, zdy, zx, zweight, zmean, more, weighted
):
    """Do what `gradient_row` does, for a constant `weighted`."""
    step, one, vectors = lanes(x), splat(rounded(x, 1.0)), table_vectors(table, x)
    s, o, d, _, _, _, _ = vectors
    expect_edge(at(dx, n), streamed)
    head = peel(dx, n, streamed)
    if head > 0:
        before = step - elements_to_line(dx)
        gradient_edge(dx, dy, x, weight, before, head, dweight, dbias, vectors)
    both = min(more, n - head) // (2 * step) * (2 * step)
    m = splat_wide(zmean, x)
    a0, a1, b0, b1, c0, c1 = no_sum(x), no_sum(x), no_sum(x), no_sum(x), no_sum(x), no_sum(x)
    for i in range(0, both, 2 * step):
        j = i + step
        prefetch(at(zdy, i + AHEAD * step))
        prefetch(at(zdy, j + AHEAD * step))
        prefetch(at(zx, i + AHEAD * step))
        prefetch(at(zx, j + AHEAD * step))
        g = widen(load(at(zdy, i))) * load_weight(zweight, i, weighted, x)
        h = widen(load(at(zdy, j))) * load_weight(zweight, j, weighted, x)
        u, v = widen(load(at(zx, i))) - m, widen(load(at(zx, j))) - m
        a0, a1 = a0 + g, a1 + h
        b0, b1 = fma(g, u, b0), fma(h, v, b1)
        c0, c1 = c0 + u, c1 + v
        write_slope(dx, dy, x, weight, head + i, dweight, dbias, vectors, weighted, streamed)
        write_slope(dx, dy, x, weight, head + j, dweight, dbias, vectors, weighted, streamed)
    pairs = more - more % (2 * step)
    for i in range(both, pairs, 2 * step):
        j = i + step
        g = widen(load(at(zdy, i))) * load_weight(zweight, i, weighted, x)
        h = widen(load(at(zdy, j))) * load_weight(zweight, j, weighted, x)
        u, v = widen(load(at(zx, i))) - m, widen(load(at(zx, j))) - m
        a0, a1 = a0 + g, a1 + h
        b0, b1 = fma(g, u, b0), fma(h, v, b1)
        c0, c1 = c0 + u, c1 + v
    for i in range(pairs, more, step):
        k = min(more - i, step)
        g = widen(load_first(at(zdy, i), k)) * widen(load_lanes_or(at_if(zweight, i), 0, k, one))
        u = keep_first(widen(load_first(at(zx, i), k)) - m, k)
        a0, b0, c0 = a0 + g, fma(g, u, b0), c0 + u
    last = n - (n - head) % step
    for i in range(head + both, last, step):
        prefetch(at(dy, i + AHEAD * step))
        prefetch(at(x, i + AHEAD * step))
        write_slope(dx, dy, x, weight, i, dweight, dbias, vectors, weighted, streamed)
    if last < n:
        w, p, q = at_if(weight, last), at(dweight, last), at(dbias, last)
        gradient_edge(at(dx, last), at(dy, last), at(x, last), w, 0, n - last, p, q, vectors)
    return total(a0 + a1), total(b0 + b1), total(c0 + c1)


@leaf
def gradient_row(
    dx, dy, x, weight, n, table, dweight, dbias, streamed, zdy, zx, zweight, zmean, more
):
    """Write n contiguous elements of dx and add to the sums of the gradients of their parameters.

    There is memory for a vector on both sides of those. Meanwhile `more` elements of another row
    are read: returns the three sums of zdy and zx, as `piece_sums` does.
    """
    # Testing for a weight in the loop would keep loads and conversions apart: 1.2 times as slow.
    if is_null(weight):
        return row_body(
            dx,
            dy,
            x,
            weight,
            n,
            table,
            dweight,
            dbias,
            streamed,
            zdy,
            zx,
            weight,
            zmean,
            more,
            False,
        )
    return row_body(
        dx, dy, x, weight, n, table, dweight, dbias, streamed, zdy, zx, zweight, zmean, more, True
    )


@inlined
def load_weight(weight, i, weighted, like):
    """Return a vector of weights, or of ones, in float64."""
    return widen(load(at(weight, i))) if weighted else splat_wide(1.0, like)


@inlined
def write_slope(dx, dy, x, weight, i, dweight, dbias, vectors, weighted, streamed):
    """Write one vector of dx and add to the parameters' sums."""
    s, o, d, _, _, _, _ = vectors
    g, c = load(at(dy, i)), centre(load(at(x, i)), s, o, d)
    t, u = more_sums(g, c, at(dweight, i), at(dbias, i), vectors, x)
    store(at(dweight, i), t)
    store(at(dbias, i), u)
    w = load(at(weight, i)) if weighted else splat(rounded(x, 1.0))
    put_vector(at(dx, i), slope_row(g, c, w, vectors), streamed)
