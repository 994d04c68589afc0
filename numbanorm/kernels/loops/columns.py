"""How rows are walked down their columns: read, or written (both at once: `overlap`).

What is done to vectors are `pieces`: a column has sums and coefficients of its own, float64 and x's
type, each an array in memory. Eight rows are worked on at a time, so that those need not be loaded
for each. Short rows are laid side by side first (`tiles.folds`): x is then always rows of whole
vectors, but for the last few.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.runs import expect_edge, peel, put_vector
from numbanorm.kernels.simd.edges import store_part
from numbanorm.kernels.simd.memory import (
    lanes,
    load,
    load_part,
    prefetch,
    prefetch_write,
    store,
    to_aligned,
)
from numbanorm.kernels.simd.pointers import at
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.plan.tuning import AHEAD


class Tile(NamedTuple):
    """Some rows, each n of `stride` elements, from x on; `fold` of them are laid side by side."""

    x: Any
    rows: Any
    stride: Any
    n: Any
    fold: Any


class Target(NamedTuple):
    """To where results go, from where, by which coefficients (pointers to the first column's)."""

    y: Any
    x: Any
    coefs: Any
    given: Any
    streamed: Any


@inlined
def moved(target, i, column):
    """Return the target i elements on, whose first column is this one."""
    y, x, coefs, given, streamed = target
    return Target(at(y, i), at(x, i), at(coefs, column), given, streamed)


# --- reading --------------------------------------------------------------------------------------


@leaf
def add_rows(kind, sums, x, rows, stride, n, behind, coefs):
    """Add rows of n elements, at most 8, to column sums; the next rows will be `behind`.

    `sums` and `coefs` are tuples of pointers, to one for each column.
    """
    step = lanes(x)
    whole = n - n % step
    for j in range(0, whole, step):
        add_group(kind, at(sums, j), at(x, j), rows, stride, behind, at(coefs, j), j, None)
    if whole < n:
        part = 0, n - whole
        here, there, mine = at(sums, whole), at(x, whole), at(coefs, whole)
        add_group(kind, here, there, rows, stride, 0, mine, whole, part)


@inlined
def add_group(kind, sums, x, rows, stride, behind, coefs, j, part):
    """Add a vector of columns, from the j-th on, of at most 8 rows to its sums: a stretch."""
    before, mine, add = load_sum(sums, x), kind.column_coefs(coefs, x), kind.add
    found = kind.begin(before, x)
    if rows == 8:
        for r in range(8):
            if behind != 0:
                prefetch(at(x, r * stride + behind))
            found = add(found, load_part(at(x, r * stride), part), mine, None, j, part)
    else:
        for r in range(rows):
            found = add(found, load_part(at(x, r * stride), part), mine, None, j, part)
    store(sums, kind.end(before, found))


@inlined
def clear(kind, sums, n, like):
    """Set n sums of each array, rounded up to whole vectors, to those of nothing."""
    for i in range(0, n, lanes(like)):
        store(at(sums, i), kind.none(like))


@leaf
def sum_tile(kind, sums, tile, coefs, spread):
    """Sum a tile into fresh column sums.

    Eight rows that are read at once lie `spread` rows apart, if that is not 0.
    """
    x, rows, stride, n, fold = tile
    clear(kind, sums, n * fold, x)
    folded, long, n_long = rows // fold, stride * fold, n * fold
    for r in range(spread):
        add_rows(kind, sums, at(x, r * long), 8, spread * long, n_long, long, coefs)
    for r in range(8 * spread, folded, 8):
        add_rows(kind, sums, at(x, r * long), min(8, folded - r), long, n_long, 8 * long, coefs)
    left = rows % fold
    if left > 0:
        add_rows(kind, sums, at(x, folded * long), 1, stride, n * left, 0, coefs)


# --- writing --------------------------------------------------------------------------------------


@inlined
def write_part(apply, target, i, j, part):
    """Write lanes of a row's vector at i, of the columns from j on.

    Coefficients may be read, but not used, for a vector of columns before the first.
    """
    x = load_part(at(target.x, i), part)
    store_part(at(target.y, i), apply(x, load(at(target.coefs, j)), target.given, j, part), part)


@inlined
def write_edges(apply, target, i, n, head, last):
    """Write a row's columns that don't fill a vector: below `head`, and from `last` on."""
    if head > 0:
        before = lanes(target.y) - to_aligned(target.y)
        write_part(apply, target, i - before, -before, (before, before + head))
    if last < n:
        write_part(apply, target, i + last, last, (0, n - last))


@leaf
def write_row(apply, target, n, behind):
    """Write n contiguous elements; `behind` is how far on the work goes on after them."""
    y, x, coefs, given, streamed = target
    step = lanes(y)
    head = peel(y, n, streamed)
    last = n - (n - head) % step
    expect_edge(at(y, behind), streamed)
    expect_edge(at(y, behind + n), streamed)
    write_edges(apply, target, 0, n, head, last)
    for i in range(head, last, step):
        far = i + AHEAD * step
        far = far if far < n else far - n + behind
        prefetch(at(x, far))
        if not streamed:
            prefetch_write(at(y, far))
        v = apply(load(at(x, i)), load(at(coefs, i)), given, i, None)
        put_vector(at(y, i), v, streamed)


@leaf
def write_rows(apply, target, rows, columns, n, fold, whole):
    """Write rows of n of `columns` elements.

    `whole` is the number of elements before y's first aligned vector if the rows follow one another
    in memory and all start equally far from one, else -1. Rows are then taken to start there.
    """
    if n == columns and whole >= 0:
        first, total, step = min(whole, rows * columns), rows * columns, columns * fold
        write_row(apply, target, first, first)
        for e in range(first, total, step):
            count = min(step, total - e)
            write_row(apply, moved(target, e, whole), count, count)
    else:
        for r in range(rows):
            write_row(apply, moved(target, r * columns, 0), n, columns)


@inlined
def lines_agree(y, n, columns, fold):
    """Return `write_rows`' argument `whole`."""
    return to_aligned(y) if n == columns and columns * fold % lanes(y) == 0 else -1


@leaf
def write_groups(apply, target, rows, columns, n, fold):
    """Write rows of n of `columns` elements, eight at a time, by coefficients kept in registers.

    That is for what is in a cache, and for rows that start equally far from a vector in y, once
    they are laid side by side.
    """
    long, n_long, folded = columns * fold, n * fold, rows // fold
    for r in range(0, folded, 8):
        write_group(apply, moved(target, r * long, 0), min(8, folded - r), long, n_long)
    left = rows % fold
    if left > 0:
        write_group(apply, moved(target, folded * long, 0), 1, columns, n * left)


@leaf
def write_group(apply, target, rows, stride, n):
    """Write n columns of up to 8 rows, all equally far from a vector's alignment in y."""
    y, x, coefs, given, streamed = target
    step = lanes(y)
    head = peel(y, n, streamed)
    last = n - (n - head) % step
    write_group_edges(apply, target, rows, stride, n, head, last)
    for j in range(head, last, step):
        found = load(at(coefs, j))
        for r in range(rows):
            i = r * stride + j
            put_vector(at(y, i), apply(load(at(x, i)), found, given, j, None), streamed)


@inlined
def write_group_edges(apply, target, rows, stride, n, head, last):
    """Write the edges of rows, and ask for those of the rows after each."""
    for r in range(rows):
        write_edges(apply, moved(target, r * stride, 0), 0, n, head, last)
        expect_edge(at(target.y, (r + 1) * stride), target.streamed)
        expect_edge(at(target.y, (r + 1) * stride + n), target.streamed)
