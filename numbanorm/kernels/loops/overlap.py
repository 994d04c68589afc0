"""What is read and what is written at once, so that memory is busy in both directions.

A run is read while another one is written, and a tile of rows while the same tile of other columns
is: by the pieces, and to the bits, of `runs` and `columns`.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.columns import (
    add_rows,
    clear,
    moved,
    write_group,
    write_group_edges,
)
from numbanorm.kernels.loops.runs import (
    begin,
    end,
    ends,
    expect_edge,
    peel,
    put_vector,
    read_on,
    write_head,
    write_tail,
    write_vector,
)
from numbanorm.kernels.simd.memory import lanes, load, prefetch, prefetch_write, store
from numbanorm.kernels.simd.pointers import at
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import few_registers
from numbanorm.kernels.tiles import spread_of
from numbanorm.plan.tuning import AHEAD, TURN

# --- runs -----------------------------------------------------------------------------------------


@inlined
def read_and_write(walk, kind, sums, source, order, apply, run, behind, near):
    """Return the sums that `read` returns of the source, written a run meanwhile.

    `walk` is how both are gone through, `together` or `alternating`; `behind` is how far on the
    work goes on after the source; what is written is asked for `near` vectors ahead, if not 0.
    """
    step, x = lanes(run.y), run.x
    if not run.joins:
        expect_edge(at(run.y, behind), run.streamed)
    head = write_head(apply, run)
    both = min(source.n, run.n - head) // (2 * step) * (2 * step)
    sums, found = walk(kind, sums, source, apply, run, head, both, behind, near)
    sums = read_on(kind, sums, found, source, both, 0, order)
    last = run.n - (run.n - head) % step
    for i in range(head + both, last, step):
        prefetch(at(x, i + AHEAD * step))
        write_vector(apply, run, i, load(at(x, i)))
    write_tail(apply, run, last)
    return sums


@inlined
def together(kind, sums, source, apply, run, head, both, behind, near):
    """Read and write `both` elements, pairs of vectors, a pair of each at a time.

    Returns the sums, and what has been added to since the last stretch.
    """
    step, z, x = lanes(run.y), source.x, run.x
    (first, second), add = begin(kind, sums, z), kind.add
    close = source.n - AHEAD * step
    for i in range(0, both, 2 * step):
        far = at(z, i + AHEAD * step if i < close else i - close + behind)
        prefetch(far)
        prefetch(at(far, step))
        if not run.streamed:
            prefetch_write(at(run.y, head + i + AHEAD * step))
            prefetch_write(at(run.y, head + i + (AHEAD + 1) * step))
        if near > 0:
            prefetch(at(x, head + i + near * step))
            prefetch(at(x, head + i + (near + 1) * step))
        s, t = load(at(z, i)), load(at(z, i + step))
        u, v = load(at(x, head + i)), load(at(x, head + i + step))
        first = add(first, s, source.coefs, source.given, i, None)
        second = add(second, t, source.coefs, source.given, i + step, None)
        write_vector(apply, run, head + i, u)
        write_vector(apply, run, head + i + step, v)
        if ends(i, step):
            sums = end(kind, sums, (first, second))
            first, second = begin(kind, sums, z)
    return sums, (first, second)


@inlined
def in_turns(kind, sums, source, apply, run, head, both, behind, near):
    """Do the same, some pairs read and then as many written: with few registers.

    Each of the two sets of sums is added to by itself, and then stays in registers. All is asked
    for where it is written, which takes longest: at once, it would wait.
    """
    step, z = lanes(run.y), source.x
    first, second = begin(kind, sums, z)
    for start in range(0, both, 2 * step * TURN):
        stop = min(start + 2 * step * TURN, both)
        first = add_alternate(kind, first, source, start, stop)
        second = add_alternate(kind, second, source, start + step, stop)
        write_turn(apply, run, source, head, start, stop, behind, near)
        if ends(stop - 2 * step, step):
            sums = end(kind, sums, (first, second))
            first, second = begin(kind, sums, z)
    return sums, (first, second)


@inlined
def add_alternate(kind, found, source, start, stop):
    """Return what was found with every second vector from `start` on added."""
    step = lanes(source.x)
    for i in range(start, stop, 2 * step):
        found = kind.add(found, load(at(source.x, i)), source.coefs, source.given, i, None)
    return found


@inlined
def write_turn(apply, run, source, head, start, stop, behind, near):
    """Write the elements of a turn, and ask for those to be read and written later."""
    step = lanes(run.y)
    close = source.n - AHEAD * step
    for i in range(start, stop, step):
        prefetch(at(source.x, i + AHEAD * step if i < close else i - close + behind))
        if not run.streamed:
            prefetch_write(at(run.y, head + i + AHEAD * step))
        if near > 0:
            prefetch(at(run.x, head + i + near * step))
        write_vector(apply, run, head + i, load(at(run.x, head + i)))


alternating = in_turns if few_registers() else together

# --- columns --------------------------------------------------------------------------------------


@leaf
def add_and_write(kind, sums, z, apply, target, stride, n, behind):
    """Add 8 rows of z to their column sums, as `add_rows` does, while writing 8 rows."""
    step = lanes(z)
    head = peel(target.y, n, target.streamed)
    last = n - (n - head) % step
    write_group_edges(apply, target, 8, stride, n, head, last)
    y, x, coefs, given, streamed = moved(target, head, head)
    for j in range(0, last - head, step):
        before, mine, add = load_sum(at(sums, j), z), load(at(coefs, j)), kind.add
        found = kind.begin(before, z)
        for r in range(8):
            i = r * stride + j
            prefetch(at(z, i + behind))
            prefetch(at(x, i + behind))
            found = add(found, load(at(z, i)), (), None, j, None)
        store(at(sums, j), kind.end(before, found))
        for r in range(8):
            i = r * stride + j
            put_vector(at(y, i), apply(load(at(x, i)), mine, given, j, None), streamed)
    done = last - head
    add_rows(kind, at(sums, done), at(z, done), 8, stride, n - done, behind, ())


@leaf
def sum_and_write(kind, sums, z, apply, target, tile):
    """Sum a tile of z, as `sum_tile` does, while writing the same tile of x."""
    _, rows, stride, n, fold = tile
    long, n_long, folded = stride * fold, n * fold, rows // fold
    clear(kind, sums, n_long, z)
    spread = spread_of(folded, stride)
    for r in range(spread):
        there, here = at(z, r * long), moved(target, r * long, 0)
        add_and_write(kind, sums, there, apply, here, spread * long, n_long, long)
    for r in range(8 * spread, folded, 8):
        there, here, many = at(z, r * long), moved(target, r * long, 0), min(8, folded - r)
        if many == 8:
            add_and_write(kind, sums, there, apply, here, long, n_long, 8 * long)
        else:
            add_rows(kind, sums, there, many, long, n_long, 8 * long, ())
            write_group(apply, here, many, long, n_long)
    left = rows % fold
    if left > 0:
        add_rows(kind, sums, at(z, folded * long), 1, stride, n * left, 0, ())
        write_group(apply, moved(target, folded * long, 0), 1, stride, n * left)
