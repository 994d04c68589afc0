"""Normalising along memory: long runs that have one statistic and one weight each.

Where two runs share a cache line of y, it is written once, whole, if they are normalised one after
the other; otherwise each part of it is written under a mask.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.simd.memory import (
    lanes,
    load,
    load_lanes,
    prefetch,
    prefetch_write,
    store,
    store_lanes,
    stream,
)
from numbanorm.kernels.simd.pointers import at, elements_to_line
from numbanorm.kernels.simd.vec import fma, join, splat

# How many vectors ahead of the reading a cache line is asked for: runs of a few hundred elements
# defeat the hardware's prefetcher. 16 to 128 measured alike within 5 %.
AHEAD = 32


@inlined
def put_vector(y, v, streamed):
    """Write a vector, past the caches if `streamed`."""
    if streamed:
        stream(y, v)
    else:
        store(y, v)


@inlined
def apply(x, scale, offset, rest, slope, bias):
    """Normalise one vector; the arguments are `statistics.coefficients`, one per lane."""
    return fma(fma(x, scale, offset) - rest, slope, bias)


@inlined
def peel(y, n, streamed):
    """Return how many elements to write before y is on a cache line, where that pays."""
    return min(n, elements_to_line(y)) if streamed or n >= 256 else 0


@inlined
def expect_edge(y, streamed):
    """Ask for the line that a run ends in before y, if only part of it: the rest must be read."""
    if streamed and elements_to_line(y) > 0:
        prefetch_write(y)


@inlined
def vectors_of(coefs):
    """Return a vector of each coefficient."""
    scale, offset, rest, slope, bias = coefs
    return splat(scale), splat(offset), splat(rest), splat(slope), splat(bias)


@inlined
def affine_edge(y, x, before, n, coefs):
    """Normalise n < lanes elements that share a cache line with `before` earlier ones.

    The whole line is addressed, under a mask: a masked vector that reaches into the next line would
    fetch that line too, just before it is streamed over.
    """
    s, o, r, a, b = vectors_of(coefs)
    v = apply(load_lanes(at(x, -before), before, before + n), s, o, r, a, b)
    store_lanes(at(y, -before), v, before, before + n)


@inlined
def affine_tail(y, x, n, coefs, after, joins, streamed):
    """Normalise the last n < lanes elements of a run and, if it `joins` the next one, the first of
    that, by their coefficients `after`: together they fill the cache line at y.
    """
    if joins:
        s, o, r, a, b = vectors_of(coefs)
        s1, o1, r1, a1, b1 = vectors_of(after)
        v = load(x)
        w = join(apply(v, s, o, r, a, b), apply(v, s1, o1, r1, a1, b1), n)
        put_vector(y, w, streamed)
    else:
        affine_edge(y, x, 0, n, coefs)


@inlined
def affine_head(y, x, n, coefs, joined, streamed):
    """Normalise what stands before the first cache line of a run, unless the last run did; returns
    how much that is.
    """
    head = peel(y, n, streamed)
    if head > 0 and not joined:
        affine_edge(y, x, lanes(x) - elements_to_line(y), head, coefs)
    return head


@leaf
def affine(y, x, n, ahead, coefs, after, joined, joins, streamed):
    """Normalise n contiguous elements by one set of coefficients, asking for those `ahead` of them.

    `joins` says that the next run follows in memory and has the coefficients `after`, `joined` that
    this one so follows another: a cache line that two runs share is written once, whole.
    """
    step = lanes(x)
    s, o, r, a, b = vectors_of(coefs)
    if not joins:
        expect_edge(at(y, n), streamed)
    head = affine_head(y, x, n, coefs, joined, streamed)
    last = n - (n - head) % step
    pairs = head + (last - head) // (2 * step) * (2 * step)
    if head < pairs:
        u, v = load(at(x, head)), load(at(x, head + step))
        for i in range(head, pairs, 2 * step):
            prefetch(at(x, i + ahead))
            prefetch(at(x, i + ahead + step))
            more = min(i + 2 * step, pairs - 2 * step)
            u1, v1 = load(at(x, more)), load(at(x, more + step))
            put_vector(at(y, i), apply(u, s, o, r, a, b), streamed)
            put_vector(at(y, i + step), apply(v, s, o, r, a, b), streamed)
            u, v = u1, v1
    if pairs < last:
        put_vector(at(y, pairs), apply(load(at(x, pairs)), s, o, r, a, b), streamed)
    if last < n:
        affine_tail(at(y, last), at(x, last), n - last, coefs, after, joins, streamed)
