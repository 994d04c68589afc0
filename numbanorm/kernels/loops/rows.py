"""Normalising rows: contiguous statistics, each small enough to stay in the first caches.

A row has either a weight and a bias for each of its elements (layer norm), or one of each for all
(instance norm), or `width` lines of one each (group norm). A row may be normalised while another
one, of the next block, is read: memory then reads and writes at the same time.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_affine import (
    AHEAD,
    affine,
    apply,
    expect_edge,
    peel,
    put_vector,
)
from numbanorm.kernels.loops.along_both import slot_coefficients
from numbanorm.kernels.loops.statistics import reciprocal_deviation
from numbanorm.kernels.simd.memory import (
    lanes,
    load,
    load_first,
    load_lanes,
    no_sum,
    prefetch,
    store_lanes,
)
from numbanorm.kernels.simd.pointers import at, elements_to_line, get, is_null, rounded
from numbanorm.kernels.simd.vec import fma, join, splat, total, widen


@inlined
def row_vectors(coefs):
    """Return a vector of each coefficient of a row."""
    room = lanes(coefs)
    return (
        splat(rounded(coefs, get(coefs, 0))),
        splat(rounded(coefs, get(coefs, room))),
        splat(rounded(coefs, get(coefs, 2 * room))),
        splat(rounded(coefs, get(coefs, 3 * room))),
        splat(rounded(coefs, get(coefs, 4 * room))),
    )


@inlined
def apply_row(x, w, b, vectors, elementwise):
    """Normalise a vector; w and b count if each element has its own, else the coefficients'."""
    s, o, r, a, c = vectors
    if elementwise:
        return fma((fma(x, s, o) - r) * a, w, b)
    return apply(x, s, o, r, a, c)


@inlined
def load_or(p, i, default):
    """Return the vector at p[i], or the default where p is null."""
    return default if is_null(p) else load(at(p, i))


@inlined
def load_lanes_or(p, start, stop, default):
    """Return the lanes [start, stop) of the vector at p, or the default where p is null."""
    return default if is_null(p) else load_lanes(p, start, stop)


@inlined
def at_if(p, i):
    """Return p moved on by i, or null if p is null."""
    return p if is_null(p) else at(p, i)


@inlined
def row_edge(y, x, weight, bias, before, n, vectors, elementwise):
    """Normalise n < lanes elements that share a cache line with `before` earlier ones."""
    start, stop = before, before + n
    v = load_lanes(at(x, -start), start, stop)
    w = load_lanes_or(at_if(weight, -start), start, stop, splat(rounded(x, 1.0)))
    b = load_lanes_or(at_if(bias, -start), start, stop, splat(rounded(x, 0.0)))
    store_lanes(at(y, -start), apply_row(v, w, b, vectors, elementwise), start, stop)


@inlined
def row_join(y, x, n, last, weight, bias, vectors, after, elementwise, streamed):
    """Normalise the last n elements of a row, from `last` on, and the first of the next one."""
    step, one, zero = lanes(x), splat(rounded(x, 1.0)), splat(rounded(x, 0.0))
    v = load(x)
    w = load_lanes_or(at_if(weight, last), 0, n, one)
    b = load_lanes_or(at_if(bias, last), 0, n, zero)
    mine = apply_row(v, w, b, vectors, elementwise)
    w = load_lanes_or(at_if(weight, -n), n, step, one)
    b = load_lanes_or(at_if(bias, -n), n, step, zero)
    put_vector(y, join(mine, apply_row(v, w, b, after, elementwise), n), streamed)


@inlined
def row_body(y, x, z, n, more, weight, bias, coefs, joined, joins, streamed, elementwise):
    """Do what `affine_row` does, for a constant `elementwise`."""
    step = lanes(x)
    vectors, one, zero = row_vectors(coefs), splat(rounded(x, 1.0)), splat(rounded(x, 0.0))
    if not joins:
        expect_edge(at(y, n), streamed)
    head = peel(y, n, streamed)
    if head > 0 and not joined:
        row_edge(y, x, weight, bias, step - elements_to_line(y), head, vectors, elementwise)
    both = min(more, n - head) // (2 * step) * (2 * step)
    a0, a1, b0, b1 = no_sum(x), no_sum(x), no_sum(x), no_sum(x)
    for i in range(0, both, 2 * step):
        prefetch(at(z, i + AHEAD * step))
        prefetch(at(z, i + (AHEAD + 1) * step))
        u, v = widen(load(at(z, i))), widen(load(at(z, i + step)))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
        j, k = head + i, head + i + step
        g, h = load(at(x, j)), load(at(x, k))
        w, b = load_or(weight, j, one), load_or(bias, j, zero)
        put_vector(at(y, j), apply_row(g, w, b, vectors, elementwise), streamed)
        w, b = load_or(weight, k, one), load_or(bias, k, zero)
        put_vector(at(y, k), apply_row(h, w, b, vectors, elementwise), streamed)
    for i in range(both, more, 2 * step):
        u = widen(load_first(at(z, i), more - i))
        v = widen(load_first(at(z, i + step), more - i - step))
        a0, a1 = a0 + u, a1 + v
        b0, b1 = fma(u, u, b0), fma(v, v, b1)
    last = n - (n - head) % step
    for i in range(head + both, last, step):
        w, b = load_or(weight, i, one), load_or(bias, i, zero)
        put_vector(at(y, i), apply_row(load(at(x, i)), w, b, vectors, elementwise), streamed)
    if last < n and joins:
        here, there = at(y, last), at(x, last)
        row_join(
            here,
            there,
            n - last,
            last,
            weight,
            bias,
            vectors,
            row_vectors(at(coefs, 1)),
            elementwise,
            streamed,
        )
    elif last < n:
        w, b = at_if(weight, last), at_if(bias, last)
        row_edge(at(y, last), at(x, last), w, b, 0, n - last, vectors, elementwise)
    return total(a0 + a1), total(b0 + b1)


@leaf
def affine_row(y, x, z, n, more, weight, bias, coefs, joined, joins, streamed, elementwise):
    """Normalise n contiguous elements of x; return the sums of `more` of z, and of their squares.

    Like `along_affine.affine`, with a weight and a bias for each element if so said. `coefs` points
    to the row's first coefficient in `row_coefficients`; the next row's follow.
    """
    if elementwise:
        return row_body(y, x, z, n, more, weight, bias, coefs, joined, joins, streamed, True)
    return row_body(y, x, z, n, more, weight, bias, coefs, joined, joins, streamed, False)


@leaf
def affine_lines(y, x, view, row, mean, var, eps, weight, bias, streamed):
    """Normalise a row of `width` lines, each of one weight and bias, asking for the next row."""
    _, _, group, width, run = view
    centre, rstd = get(mean, row), reciprocal_deviation(get(var, row), eps, x)
    slot, ahead = row % group * width, width * run
    joined, together = False, streamed and run >= 2 * lanes(x)
    after = slot_coefficients(centre, rstd, weight, bias, slot, x)
    for k in range(width):
        coefs, joins = after, together and k + 1 < width
        if k + 1 < width:
            after = slot_coefficients(centre, rstd, weight, bias, slot + k + 1, x)
        here, there = at(y, k * run), at(x, k * run)
        affine(here, there, run, ahead, coefs, after, joined, joins, streamed)
        joined = joins
