"""Normalising across memory while reading the next slab: memory reads and writes at once.

The sums of what is read are those of `across_moments`, to the bit.
"""

from numbanorm.kernels.compile.options import leaf
from numbanorm.kernels.loops.across_affine import affine_edges, affine_group, load_coefficients
from numbanorm.kernels.loops.across_moments import add_rows, settle_tile
from numbanorm.kernels.loops.along_affine import apply, peel, put_vector
from numbanorm.kernels.loops.along_moments import clear
from numbanorm.kernels.simd.memory import lanes, load, load_sum, prefetch, store
from numbanorm.kernels.simd.pointers import at
from numbanorm.kernels.simd.vec import fma, widen
from numbanorm.kernels.tiles import spread_of


@leaf
def add_and_affine(s1, s2, z, y, x, stride, n, behind, coefs, room, streamed):
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
            prefetch(at(z, i + behind))
            prefetch(at(xs, i + behind))
            v = widen(load(at(z, i)))
            p, q = p + v, fma(v, v, q)
            put_vector(at(ys, i), apply(load(at(xs, i)), s, o, d, a, b), streamed)
        store(at(s1, j), p)
        store(at(s2, j), q)
    done = last - head
    add_rows(at(z, done), 8, stride, n - done, behind, at(s1, done), at(s2, done))


@leaf
def tile_both(z, y, x, rows, stride, n, fold, work, coefs, room, streamed):
    """Sum a tile of z, as `sum_tile` does, while normalising the same tile of x."""
    step = lanes(x)
    s1, s2, long, n_long = work, at(work, room), stride * fold, n * fold
    vectors = (n_long + step - 1) // step
    clear(s1, vectors, x)
    clear(s2, vectors, x)
    folded = rows // fold
    spread = spread_of(folded, stride)
    for r in range(spread):
        i, far = r * long, spread * long
        there, here, source = at(z, i), at(y, i), at(x, i)
        add_and_affine(s1, s2, there, here, source, far, n_long, long, coefs, room, streamed)
    for r in range(8 * spread, folded, 8):
        i, many = r * long, min(8, folded - r)
        there, here, source = at(z, i), at(y, i), at(x, i)
        if many == 8:
            behind = 8 * long
            add_and_affine(s1, s2, there, here, source, long, n_long, behind, coefs, room, streamed)
        else:
            add_rows(there, many, long, n_long, 8 * long, s1, s2)
            affine_group(here, source, many, long, n_long, coefs, room, streamed)
    left = rows % fold
    if left > 0:
        i = folded * long
        add_rows(at(z, i), 1, stride, n * left, 0, s1, s2)
        affine_group(at(y, i), at(x, i), 1, stride, n * left, coefs, room, streamed)


@leaf
def normalize_reading(
    y, x, z, outer, stride, n, per, fold, rows, work, coefs, room, mean, m2, streamed
):
    """Normalise a slab of n columns from x to y, while finding the next slab's, z's, moments.

    Both go down all `outer` rows, in tiles of `rows`; mean and m2 belong to z.
    """
    count = 0.0
    for first in range(0, outer, rows):
        e, here = first * stride, min(rows, outer - first)
        base = at(z, e)
        tile_both(base, at(y, e), at(x, e), here, stride, n, fold, work, coefs, room, streamed)
        settle_tile(base, here, stride, n, per, fold, work, room, count, mean, m2)
        count += float(here * per)
