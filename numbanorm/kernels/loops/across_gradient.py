"""Backward leaves across memory: column sums of gradients, and the input's gradient.

Column sums are three float64 arrays: of dy, dy * (x - mean) and x - mean. Coefficients are six
arrays of x's type: scale, offset, rest, factor, constant (`gradient_coefficients`) and slope.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.across_coefficients import fill, repeat
from numbanorm.kernels.loops.along_affine import AHEAD, expect_edge, peel, put_vector
from numbanorm.kernels.loops.along_gradient import slope
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
from numbanorm.kernels.simd.vec import fma, keep_first, widen
from numbanorm.kernels.tiles import spread_of


@inlined
def add_gradient(dy, x, rows, stride, behind, work, room):
    """Add one whole vector of columns, over `rows` rows, to the column sums."""
    s0, s1, sx = work, at(work, room), at(work, 2 * room)
    a, b, c = load_sum(s0, x), load_sum(s1, x), load_sum(sx, x)
    m = load_sum(at(work, 3 * room), x)
    for r in range(rows):
        i = r * stride
        prefetch(at(dy, i + behind))
        prefetch(at(x, i + behind))
        g, u = widen(load(at(dy, i))), widen(load(at(x, i))) - m
        a, b, c = a + g, fma(g, u, b), c + u
    store(s0, a)
    store(s1, b)
    store(sx, c)


@leaf
def add_gradient_rows(dy, x, rows, stride, n, behind, work, room):
    """Add `rows` rows of n elements to the column sums in `work`; see `add_rows`."""
    step = lanes(x)
    whole = n - n % step
    if rows == 8:
        for j in range(0, whole, step):
            add_gradient(at(dy, j), at(x, j), 8, stride, behind, at(work, j), room)
    else:
        for j in range(0, whole, step):
            add_gradient(at(dy, j), at(x, j), rows, stride, behind, at(work, j), room)
    if whole < n:
        tail = at(work, whole)
        a, b = load_sum(tail, x), load_sum(at(tail, room), x)
        c, m = load_sum(at(tail, 2 * room), x), load_sum(at(tail, 3 * room), x)
        for r in range(rows):
            i = r * stride + whole
            g = widen(load_first(at(dy, i), n - whole))
            u = keep_first(widen(load_first(at(x, i), n - whole)) - m, n - whole)
            a, b, c = a + g, fma(g, u, b), c + u
        store(tail, a)
        store(at(tail, room), b)
        store(at(tail, 2 * room), c)


@leaf
def sum_gradient_tile(dy, x, rows, stride, n, fold, work, room):
    """Sum a tile of `rows` rows, each n of `stride` elements, into fresh column sums.

    `work` is four arrays of `room` float64s: the sums, and the mean of each column.
    """
    step = lanes(x)
    vectors = (n * fold + step - 1) // step
    clear(work, vectors, x)
    clear(at(work, room), vectors, x)
    clear(at(work, 2 * room), vectors, x)
    folded = rows // fold
    long, n_long = stride * fold, n * fold
    spread = spread_of(folded, stride)
    for r in range(spread):
        i = r * long
        add_gradient_rows(at(dy, i), at(x, i), 8, spread * long, n_long, long, work, room)
    for r in range(8 * spread, folded, 8):
        i, many = r * long, min(8, folded - r)
        add_gradient_rows(at(dy, i), at(x, i), many, long, n_long, 8 * long, work, room)
    left = rows % fold
    if left > 0:
        i = folded * long
        add_gradient_rows(at(dy, i), at(x, i), 1, stride, n * left, 0, work, room)


@inlined
def slope_columns(dy, x, coefs, room, training):
    """Return dx for one vector by the coefficients of its columns."""
    vectors = (
        load(at(coefs, 5 * room)),
        load(coefs),
        load(at(coefs, room)),
        load(at(coefs, 2 * room)),
        load(at(coefs, 3 * room)),
        load(at(coefs, 4 * room)),
    )
    return slope(dy, x, vectors, training)


@inlined
def gradient_edge(dx, dy, x, before, n, coefs, room, training):
    """Write n < lanes columns of dx that share a cache line with `before` earlier ones."""
    g = load_lanes(at(dy, -before), before, before + n)
    v = load_lanes(at(x, -before), before, before + n)
    w = slope_columns(g, v, at(coefs, -before), room, training)
    store_lanes(at(dx, -before), w, before, before + n)


@leaf
def gradient_columns(dx, dy, x, n, behind, coefs, room, training, streamed):
    """Write n contiguous elements of dx; `behind` is how far on the work goes on after them."""
    step = lanes(x)
    head = peel(dx, n, streamed)
    last = n - (n - head) % step
    expect_edge(at(dx, behind), streamed)
    expect_edge(at(dx, behind + n), streamed)
    if head > 0:
        gradient_edge(dx, dy, x, step - elements_to_line(dx), head, coefs, room, training)
    for i in range(head, last, step):
        far = i + AHEAD * step
        far = far if far < n else far - n + behind
        prefetch(at(dy, far))
        prefetch(at(x, far))
        v = slope_columns(load(at(dy, i)), load(at(x, i)), at(coefs, i), room, training)
        put_vector(at(dx, i), v, streamed)
    if last < n:
        here = at(coefs, last)
        gradient_edge(at(dx, last), at(dy, last), at(x, last), 0, n - last, here, room, training)


@leaf
def gradient_rows(dx, dy, x, rows, columns, n, fold, whole, coefs, room, training, streamed):
    """Write dx of `rows` rows of n of `columns` elements; `whole` is as in `affine_rows`."""
    if n == columns and whole >= 0:
        first, total, step = min(whole, rows * columns), rows * columns, columns * fold
        gradient_columns(dx, dy, x, first, first, coefs, room, training, streamed)
        for e in range(first, total, step):
            count = min(step, total - e)
            gradient_columns(
                at(dx, e),
                at(dy, e),
                at(x, e),
                count,
                count,
                at(coefs, whole),
                room,
                training,
                streamed,
            )
    else:
        for r in range(rows):
            e = r * columns
            gradient_columns(
                at(dx, e), at(dy, e), at(x, e), n, columns, coefs, room, training, streamed
            )


@inlined
def fill_line(coefs, room, k, first, run, value):
    """Set array k of the coefficients for a line's `run` columns."""
    fill(at(coefs, k * room + first), run, value)


@inlined
def continue_columns(coefs, room, arrays, n, fold):
    """Repeat the first n columns of the first arrays for the other folds, and a vector more."""
    repeat(coefs, arrays, room, n, n * fold + lanes(coefs))
