"""Normalising across memory: each element by the coefficients of its column."""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_affine import AHEAD, apply, expect_edge, peel, put_vector
from numbanorm.kernels.simd.memory import lanes, load, load_lanes, prefetch, store_lanes
from numbanorm.kernels.simd.pointers import at, elements_to_line


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
        for r in range(rows):
            i = r * stride + j
            put_vector(at(y, i), apply(load(at(x, i)), s, o, d, a, b), streamed)
