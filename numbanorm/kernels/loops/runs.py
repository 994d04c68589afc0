"""How a run, contiguous elements, is walked: read, or written (both at once: `overlap`).

What is done to its vectors are `pieces`. Where two runs share a vector of y, it is written once,
whole, if they are written one after the other; otherwise each part of it is written under a mask.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.simd.choosing import join
from numbanorm.kernels.simd.edges import store_part
from numbanorm.kernels.simd.memory import (
    lanes,
    load,
    load_part,
    prefetch,
    prefetch_write,
    store,
    stream,
    to_aligned,
)
from numbanorm.kernels.simd.pointers import at
from numbanorm.plan.tuning import STRETCH

# Into which of two sets of sums a run's vectors go: all into the first; in turn, but what is left
# of the pairs into the first; in turn to the last. It is part of the order of sums, so of the bits.
FIRST, PAIRS, TURNS = 0, 1, 2


class Read(NamedTuple):
    """A run to be read: where (a pointer, or those to dy and x), how long, and for a `Sum`."""

    x: Any
    n: Any
    coefs: Any
    given: Any


class Write(NamedTuple):
    """A run to be written: to where, from where, how long, and for `apply`.

    `after` are the coefficients of the run that follows in memory and shares a vector with this
    one, if this one `joins` it; `joined` says that the one before so joined this; `streamed`, that
    it is written past the caches.
    """

    y: Any
    x: Any
    n: Any
    coefs: Any
    given: Any
    after: Any
    joined: Any
    joins: Any
    streamed: Any


@inlined
def alone(y, x, n, coefs, given, streamed):
    """Return a run to be written that shares no vector with another one's."""
    return Write(y, x, n, coefs, given, coefs, False, False, streamed)


# --- reading --------------------------------------------------------------------------------------


@inlined
def begin(kind, sums, x):
    """Return what a stretch of vectors is added to, for each of two sets of sums."""
    return kind.begin(sums[0], x), kind.begin(sums[1], x)


@inlined
def end(kind, sums, found):
    """Return two sets of sums with a stretch added to each."""
    return kind.end(sums[0], found[0]), kind.end(sums[1], found[1])


@inlined
def ends(i, step):
    """Return whether a stretch, `STRETCH` pairs of vectors, ends with the pair at i of a run."""
    return i % (2 * step * STRETCH) == 2 * step * (STRETCH - 1)


@inlined
def read(kind, sums, run, ahead, order):
    """Return two sets of sums with a run added to them.

    What is so many vectors `ahead` is asked for, if that is not 0.
    """
    return read_on(kind, sums, begin(kind, sums, run.x), run, 0, ahead, order)


@inlined
def read_on(kind, sums, found, run, start, ahead, order):
    """Do that from `start` on, where a pair begins, of which `found` has what was before."""
    x, n, coefs, given = run
    (first, second), add = found, kind.add
    step = lanes(x)
    pairs = start if order == FIRST else n - n % (2 * step)
    for i in range(start, pairs, 2 * step):
        if ahead > 0:
            prefetch(at(x, i + ahead * step))
            prefetch(at(x, i + (ahead + 1) * step))
        u, v = load(at(x, i)), load(at(x, i + step))
        first = add(first, u, coefs, given, i, None)
        second = add(second, v, coefs, given, i + step, None)
        if ends(i, step):
            sums = end(kind, sums, (first, second))
            first, second = begin(kind, sums, x)
    whole = n - n % step
    for i in range(pairs, whole, step):
        first = add(first, load(at(x, i)), coefs, given, i, None)
    if whole < n:
        part = 0, n - whole
        v = load_part(at(x, whole), part)
        if order == TURNS and pairs < whole:
            second = add(second, v, coefs, given, whole, part)
        else:
            first = add(first, v, coefs, given, whole, part)
    return end(kind, sums, (first, second))


# --- writing --------------------------------------------------------------------------------------


@inlined
def put_vector(y, v, streamed):
    """Write a vector, past the caches if `streamed`."""
    if streamed:
        stream(y, v)
    else:
        store(y, v)


@inlined
def peel(y, n, streamed):
    """Return how many elements to write before y is aligned, where that pays."""
    return min(n, to_aligned(y)) if streamed or n >= 256 else 0


@inlined
def expect_edge(y, streamed):
    """Ask for the line that a run ends in before y, if only part of it: the rest must be read."""
    if streamed and to_aligned(y) > 0:
        prefetch_write(y)


@inlined
def write_part(apply, run, i, part):
    """Write those lanes of the vector at i that are a run's.

    The whole vector is addressed, under a mask: a masked one that reaches into the next line would
    fetch that line too, just before it is streamed over.
    """
    v = apply(load_part(at(run.x, i), part), run.coefs, run.given, i, part)
    store_part(at(run.y, i), v, part)


@inlined
def write_head(apply, run):
    """Write what stands before a run's first aligned vector, unless the last run did.

    Returns how much that is.
    """
    if not run.joins:
        expect_edge(at(run.y, run.n), run.streamed)
    head = peel(run.y, run.n, run.streamed)
    if head > 0 and not run.joined:
        before = lanes(run.y) - to_aligned(run.y)
        write_part(apply, run, -before, (before, before + head))
    return head


@inlined
def write_tail(apply, run, i):
    """Write the last elements of a run, from i on, less than a vector, and if it `joins` the next
    one the first of that: together they fill a vector.
    """
    left = run.n - i
    if left > 0 and run.joins:
        v = load(at(run.x, i))
        mine = apply(v, run.coefs, run.given, i, (0, left))
        others = apply(v, run.after, run.given, -left, (left, lanes(run.y)))
        put_vector(at(run.y, i), join(mine, others, left), run.streamed)
    elif left > 0:
        write_part(apply, run, i, (0, left))


@inlined
def write_vector(apply, run, i, v):
    """Write the whole vector at i, of which v has been read."""
    put_vector(at(run.y, i), apply(v, run.coefs, run.given, i, None), run.streamed)


@inlined
def write(apply, run, ahead):
    """Write a run, asking for what is so many elements `ahead`.

    The next two vectors are read before two are written: where that was not so, inference from
    memory took 1.18 times as long on one thread of a Xeon (Sapphire Rapids), 1.11 on two.
    """
    step, x = lanes(run.y), run.x
    head = write_head(apply, run)
    last = run.n - (run.n - head) % step
    pairs = head + (last - head) // (2 * step) * (2 * step)
    if head < pairs:
        u, v = load(at(x, head)), load(at(x, head + step))
        for i in range(head, pairs, 2 * step):
            prefetch(at(x, i + ahead))
            prefetch(at(x, i + ahead + step))
            if not run.streamed:
                prefetch_write(at(run.y, i + ahead))
                prefetch_write(at(run.y, i + ahead + step))
            then = min(i + 2 * step, pairs - 2 * step)
            u_then, v_then = load(at(x, then)), load(at(x, then + step))
            write_vector(apply, run, i, u)
            write_vector(apply, run, i + step, v)
            u, v = u_then, v_then
    if pairs < last:
        write_vector(apply, run, pairs, load(at(x, pairs)))
    write_tail(apply, run, last)
