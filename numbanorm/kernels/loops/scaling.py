"""Pixels to numbers: (x / most - mean) / std of contiguous elements, in float64, rounded once.

Written as NumPy has it in float64, each step rounded, so that the results are its own, to the bit.
There are three ways to the same numbers. One divides. One multiplies by reciprocals and corrects
what that did to the last digit. And one is a product and a sum, ``x * scale + offset``, for bytes
where all 256 have been seen to come out the same (`agrees`).
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.runs import expect_edge, peel, put_vector
from numbanorm.kernels.simd.choosing import fma_where, same_bits
from numbanorm.kernels.simd.edges import store_part
from numbanorm.kernels.simd.memory import (
    lanes,
    load,
    load_part,
    prefetch,
    prefetch_write,
)
from numbanorm.kernels.simd.pointers import at, get, put
from numbanorm.kernels.simd.sums import load_sum
from numbanorm.kernels.simd.vec import counted, fma, narrow, splat_wide, widen
from numbanorm.plan.tuning import AHEAD

# How numbers are found.
DIVIDED, CORRECTED, SCALED = 0, 1, 2

# Arrays of a table of coefficients.
ARRAYS = 6


class Most(NamedTuple):
    """What stands for 1 in x: itself, its negative and its reciprocal; numbers or vectors."""

    value: Any
    minus: Any
    reciprocal: Any


class Coefficients(NamedTuple):
    """Of each channel: pointers to values, or vectors."""

    mean: Any
    std: Any
    minus: Any
    reciprocal: Any
    scale: Any
    offset: Any


# --- coefficients ---------------------------------------------------------------------------------


@inlined
def table_at(p, room):
    """Return the arrays of a table, of `room` float64s each."""
    return Coefficients(
        p, at(p, room), at(p, 2 * room), at(p, 3 * room), at(p, 4 * room), at(p, 5 * room)
    )


@inlined
def put_channel(table, i, mean, std, most):
    """Write the coefficients of a channel at i."""
    put(table.mean, i, mean)
    put(table.std, i, std)
    put(table.minus, i, -std)
    put(table.reciprocal, i, 1.0 / std)
    put(table.scale, i, 1.0 / (most * std))
    put(table.offset, i, -mean / std)


@inlined
def of_channel(table, c, like):
    """Return vectors of the coefficients of one channel, for each of an element's vector."""
    return Coefficients(
        splat_wide(get(table.mean, c), like),
        splat_wide(get(table.std, c), like),
        splat_wide(get(table.minus, c), like),
        splat_wide(get(table.reciprocal, c), like),
        splat_wide(get(table.scale, c), like),
        splat_wide(get(table.offset, c), like),
    )


@inlined
def of_channels(table, c, like):
    """Return vectors of the coefficients of adjacent channels, from c on."""
    mean, std, minus, reciprocal, scale, offset = load_sum(at(table, c), like)
    return Coefficients(mean, std, minus, reciprocal, scale, offset)


@inlined
def most_of(most, like):
    """Return vectors of what stands for 1."""
    value = splat_wide(most, like)
    return Most(value, splat_wide(-most, like), splat_wide(1.0 / most, like))


# --- numbers --------------------------------------------------------------------------------------


@inlined
def quotient(v, divisor, minus, reciprocal):
    """Return v / divisor, rounded to the nearest, by the divisor's reciprocal so rounded.

    What is left of v after the first quotient makes it good to a unit, after the second exact:
    P. Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", 1990.
    Nothing is left of 0, infinities and NaN.
    """
    found = v * reciprocal
    found = fma_where(fma(found, minus, v), reciprocal, found)
    return fma_where(fma(found, minus, v), reciprocal, found)


@inlined
def corrected(v, coefs, most):
    """Return numbers by `quotient`."""
    share = quotient(v, most.value, most.minus, most.reciprocal)
    return quotient(share - coefs.mean, coefs.std, coefs.minus, coefs.reciprocal)


@inlined
def divided(v, coefs, most):
    """Return numbers by division."""
    return (v / most.value - coefs.mean) / coefs.std


@inlined
def scaled(v, coefs, most):
    """Return numbers by a product and a sum."""
    return fma(v, coefs.scale, coefs.offset)


@leaf
def agrees(table, c, most, y, x):
    """Return whether all bytes of a channel come to the same at y if `scaled` and `corrected`."""
    coefs, mosts, v = of_channel(table, c, x), most_of(most, x), counted(x)
    step = splat_wide(float(lanes(x)), x)
    for _ in range(0, 256, lanes(x)):
        if not same_bits(narrow(scaled(v, coefs, mosts), y), narrow(corrected(v, coefs, mosts), y)):
            return False
        v = v + step
    return True


# --- runs -----------------------------------------------------------------------------------------


@inlined
def put_number(apply, y, v, coefs, mosts, streamed):
    """Write the numbers of a vector, asking for where others go, unless past the caches."""
    if not streamed:
        prefetch_write(at(y, AHEAD * lanes(y)))
    put_vector(y, narrow(apply(widen(v), coefs, mosts), y), streamed)


@inlined
def put_part(apply, y, x, i, part, coefs, mosts):
    """Write those lanes of the vector at i that are a part of it."""
    v = apply(widen(load_part(at(x, i), part)), coefs, mosts)
    store_part(at(y, i), narrow(v, y), part)


@leaf
def write_plane(apply, y, x, then, n, table, c, most, streamed):
    """Write n elements of one channel, asking for as many from `then` on."""
    step, coefs, mosts = lanes(x), of_channel(table, c, x), most_of(most, x)
    expect_edge(at(y, n), streamed)
    head = peel(y, n, streamed)
    last = n - (n - head) % step
    for i in range(0, head, step):
        put_part(apply, y, x, i, (0, min(head - i, step)), coefs, mosts)
    for i in range(head, last, step):
        prefetch(at(then, i))
        put_number(apply, at(y, i), load(at(x, i)), coefs, mosts, streamed)
    if last < n:
        put_part(apply, y, x, last, (0, n - last), coefs, mosts)


@leaf
def write_pixels(apply, y, x, then, n, table, channels, first, most, streamed):
    """Write n elements of pixels of so many channels, the first of which is of channel `first`.

    As many are asked for from `then` on. The table goes on for a vector after its last channel.
    """
    step, mosts, c, i = lanes(x), most_of(most, x), first, 0
    expect_edge(at(y, n), streamed)
    head = peel(y, n, streamed)
    last, on = n - (n - head) % step, step % channels
    while i < head:
        size = min(step, head - i)
        put_part(apply, y, x, i, (0, size), of_channels(table, c, x), mosts)
        i, c = i + size, (c + size) % channels
    while i < last:
        prefetch(at(then, i))
        put_number(apply, at(y, i), load(at(x, i)), of_channels(table, c, x), mosts, streamed)
        i, c = i + step, c + on
        c = c if c < channels else c - channels
    if last < n:
        put_part(apply, y, x, last, (0, n - last), of_channels(table, c, x), mosts)
