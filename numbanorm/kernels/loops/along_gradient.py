"""Backward leaves along memory: sums of gradients over runs, and the input's gradient.

A line is all that has one weight and one statistic: `outer` runs. Its sums are six wide vectors in
memory: two each of dy, dy * (x - mean) and x - mean, the last of which tells what was lost when the
mean was rounded. The distance from the mean is taken in float64, where it is exact for float32: the
products may cancel to a small part of themselves.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_affine import AHEAD, expect_edge, peel, put_vector
from numbanorm.kernels.loops.along_both import NEAR
from numbanorm.kernels.loops.along_moments import clear
from numbanorm.kernels.simd.memory import (
    lanes,
    load,
    load_first,
    load_lanes,
    load_sum,
    prefetch,
    store,
    store_lanes,
)
from numbanorm.kernels.simd.pointers import at, elements_to_line
from numbanorm.kernels.simd.vec import fma, keep_first, splat, splat_wide, total, widen
from numbanorm.kernels.tiles import along_tiles, piece


@inlined
def centre(x, scale, offset, rest):
    """Return (x - mean) * scale."""
    return fma(x, scale, offset) - rest


@leaf
def read_gradient(sums, dy, x, n, mean):
    """Add n contiguous elements of dy and x to a line's sums."""
    step = lanes(x)
    m = splat_wide(mean, x)
    a0, a1 = load_sum(sums, x), load_sum(at(sums, step), x)
    b0, b1 = load_sum(at(sums, 2 * step), x), load_sum(at(sums, 3 * step), x)
    c0, c1 = load_sum(at(sums, 4 * step), x), load_sum(at(sums, 5 * step), x)
    pairs = n - n % (2 * step)
    for i in range(0, pairs, 2 * step):
        prefetch(at(x, i + AHEAD * step))
        prefetch(at(x, i + (AHEAD + 1) * step))
        prefetch(at(dy, i + AHEAD * step))
        prefetch(at(dy, i + (AHEAD + 1) * step))
        g, h = widen(load(at(dy, i))), widen(load(at(dy, i + step)))
        u, v = widen(load(at(x, i))) - m, widen(load(at(x, i + step))) - m
        a0, a1 = a0 + g, a1 + h
        b0, b1 = fma(g, u, b0), fma(h, v, b1)
        c0, c1 = c0 + u, c1 + v
    for i in range(pairs, n, step):
        g = widen(load_first(at(dy, i), n - i))
        u = keep_first(widen(load_first(at(x, i), n - i)) - m, n - i)
        a0, b0, c0 = a0 + g, fma(g, u, b0), c0 + u
    store(sums, a0)
    store(at(sums, step), a1)
    store(at(sums, 2 * step), b0)
    store(at(sums, 3 * step), b1)
    store(at(sums, 4 * step), c0)
    store(at(sums, 5 * step), c1)


@inlined
def settle_gradient(sums, like):
    """Return a tile's sums of dy, dy * (x - mean) and x - mean."""
    step = lanes(like)
    return (
        total(load_sum(sums, like) + load_sum(at(sums, step), like)),
        total(load_sum(at(sums, 2 * step), like) + load_sum(at(sums, 3 * step), like)),
        total(load_sum(at(sums, 4 * step), like) + load_sum(at(sums, 5 * step), like)),
    )


@leaf
def tile_gradient(sums, dy, x, outer, stride, run, tile, mean):
    """Return the three sums of one tile of a line whose first elements dy and x point to."""
    rows, parts, _ = along_tiles(outer, run)
    first = tile // parts * rows
    start, stop = piece(run, parts, tile % parts)
    clear(sums, 6, x)
    for r in range(first, min(first + rows, outer)):
        i = r * stride + start
        read_gradient(sums, at(dy, i), at(x, i), stop - start, mean)
    return settle_gradient(sums, x)


@leaf
def line_gradient(sums, dy, x, outer, stride, run, mean):
    """Return the three sums of a whole line, its tiles added in order."""
    s0, s1, sx = 0.0, 0.0, 0.0
    _, _, tiles = along_tiles(outer, run)
    for tile in range(tiles):
        t0, t1, tx = tile_gradient(sums, dy, x, outer, stride, run, tile, mean)
        s0, s1, sx = s0 + t0, s1 + t1, sx + tx
    return s0, s1, sx


@inlined
def slope(dy, x, vectors, training):
    """Return dx for one vector; `vectors` are the slope rstd*w and `gradient_coefficients`."""
    p, s, o, r, q, c = vectors
    if training:
        return fma(p, dy, fma(centre(x, s, o, r), q, c))
    return p * dy


@inlined
def vectors_of_gradient(slopes, coefs):
    """Return a vector of each coefficient."""
    s, o, r, q, c = coefs
    return splat(slopes), splat(s), splat(o), splat(r), splat(q), splat(c)


@inlined
def gradient_edge(dx, dy, x, before, n, vectors, training):
    """Write n < lanes elements of dx that share a cache line with `before` earlier ones."""
    g = load_lanes(at(dy, -before), before, before + n)
    v = load_lanes(at(x, -before), before, before + n)
    store_lanes(at(dx, -before), slope(g, v, vectors, training), before, before + n)


@leaf
def gradient(dx, dy, x, n, slopes, coefs, training, streamed):
    """Write n contiguous elements of dx."""
    step = lanes(x)
    vectors = vectors_of_gradient(slopes, coefs)
    expect_edge(at(dx, n), streamed)
    head = peel(dx, n, streamed)
    if head > 0:
        gradient_edge(dx, dy, x, step - elements_to_line(dx), head, vectors, training)
    last = n - (n - head) % step
    for i in range(head, last, step):
        prefetch(at(dy, i + AHEAD * step))
        prefetch(at(x, i + AHEAD * step))
        v = slope(load(at(dy, i)), load(at(x, i)), vectors, training)
        put_vector(at(dx, i), v, streamed)
    if last < n:
        gradient_edge(at(dx, last), at(dy, last), at(x, last), 0, n - last, vectors, training)


@leaf
def read_and_gradient(sums, zdy, zx, mean, dx, dy, x, n, behind, slopes, coefs, training, streamed):
    """Read n elements of zdy and zx, as `read_gradient` does, while writing n of dx.

    `behind` is how far on the work goes on after these n elements.
    """
    step = lanes(x)
    vectors = vectors_of_gradient(slopes, coefs)
    m = splat_wide(mean, x)
    expect_edge(at(dx, n), streamed)
    expect_edge(at(dx, behind), streamed)
    head = peel(dx, n, streamed)
    if head > 0:
        gradient_edge(dx, dy, x, step - elements_to_line(dx), head, vectors, training)
    pairs = (n - head) // (2 * step) * (2 * step)
    a0, a1 = load_sum(sums, x), load_sum(at(sums, step), x)
    b0, b1 = load_sum(at(sums, 2 * step), x), load_sum(at(sums, 3 * step), x)
    c0, c1 = load_sum(at(sums, 4 * step), x), load_sum(at(sums, 5 * step), x)
    near = n - AHEAD * step
    for i in range(0, pairs, 2 * step):
        far = i + AHEAD * step if i < near else i - near + behind
        prefetch(at(zx, far))
        prefetch(at(zx, far + step))
        prefetch(at(zdy, far))
        prefetch(at(zdy, far + step))
        prefetch(at(x, i + NEAR * step))
        prefetch(at(x, i + (NEAR + 1) * step))
        prefetch(at(dy, i + NEAR * step))
        prefetch(at(dy, i + (NEAR + 1) * step))
        j = head + i
        d0, d1 = load(at(dy, j)), load(at(dy, j + step))
        e0, e1 = load(at(x, j)), load(at(x, j + step))
        g, h = widen(load(at(zdy, i))), widen(load(at(zdy, i + step)))
        u, v = widen(load(at(zx, i))) - m, widen(load(at(zx, i + step))) - m
        a0, a1 = a0 + g, a1 + h
        b0, b1 = fma(g, u, b0), fma(h, v, b1)
        c0, c1 = c0 + u, c1 + v
        put_vector(at(dx, j), slope(d0, e0, vectors, training), streamed)
        put_vector(at(dx, j + step), slope(d1, e1, vectors, training), streamed)
    store(sums, a0)
    store(at(sums, step), a1)
    store(at(sums, 2 * step), b0)
    store(at(sums, 3 * step), b1)
    store(at(sums, 4 * step), c0)
    store(at(sums, 5 * step), c1)
    if pairs < n:
        read_gradient(sums, at(zdy, pairs), at(zx, pairs), n - pairs, mean)
    last = n - (n - head) % step
    for i in range(head + pairs, last, step):
        v = slope(load(at(dy, i)), load(at(x, i)), vectors, training)
        put_vector(at(dx, i), v, streamed)
    if last < n:
        gradient_edge(at(dx, last), at(dy, last), at(x, last), 0, n - last, vectors, training)


@leaf
def gradient_reading(
    sums, dx, dy, x, zdy, zx, mean, outer, stride, run, slopes, coefs, training, streamed
):
    """Write one line's dx while reading the next one, zdy and zx; returns that one's three sums.

    All point to first elements. The sums are those of `line_gradient`, to the bit.
    """
    rows, parts, tiles = along_tiles(outer, run)
    s0, s1, sx = 0.0, 0.0, 0.0
    for tile in range(tiles):
        first = tile // parts * rows
        start, stop = piece(run, parts, tile % parts)
        clear(sums, 6, x)
        for r in range(first, min(first + rows, outer)):
            i = r * stride + start
            # A line of one run is followed by the next line.
            along = stride if outer > 1 else run
            behind = stop - start if stop < run else along - start
            read_and_gradient(
                sums,
                at(zdy, i),
                at(zx, i),
                mean,
                at(dx, i),
                at(dy, i),
                at(x, i),
                stop - start,
                behind,
                slopes,
                coefs,
                training,
                streamed,
            )
        t0, t1, tx = settle_gradient(sums, x)
        s0, s1, sx = s0 + t0, s1 + t1, sx + tx
    return s0, s1, sx
