"""Pixels of few channels written in another order than they are read in, straight from registers.

Memory then reads and writes at once, as it does not where they are brought into order first
(`staging`). That has the edges, and all that is not worth a loop of its own.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import scaling
from numbanorm.kernels.loops.scaling import (
    CORRECTED,
    SCALED,
    most_of,
    of_channel,
    of_channels,
    put_number,
)
from numbanorm.kernels.loops.staging import (
    first_in_memory,
    pixels_3_joined,
    pixels_3_reversed,
    planes_3,
    planes_3_turned,
    planes_4,
)
from numbanorm.kernels.simd.memory import lanes, prefetch, to_aligned
from numbanorm.kernels.simd.pointers import at
from numbanorm.kernels.simd.storage import line
from numbanorm.plan.tuning import AHEAD


class Blocks(NamedTuple):
    """Blocks of pixels: where they are read, how far on each next one is, and their planes' step.

    `n` is the number of pixels, whole blocks.
    """

    x: Any
    stride: Any
    plane: Any
    n: Any


class Target(NamedTuple):
    """Where the vectors of a block go: the first, how far on each other and each next block is.

    `first` and `next` are the channels of the first vector, and how many on each other is; all
    lanes of a vector are of one channel if `planar`.
    """

    y: Any
    between: Any
    step: Any
    first: Any
    next: Any
    planar: Any


@leaf
def write_three(order, apply, blocks, target, table, most, streamed):
    """Write blocks of three vectors."""
    x, stride, plane, n = blocks
    y, between, step, first, following, planar = target
    second, third = first + following, first + 2 * following
    y2, y3, mosts = at(y, between), at(y, 2 * between), most_of(most, x)
    if planar:
        a, b, c = (
            of_channel(table, first, x),
            of_channel(table, second, x),
            of_channel(table, third, x),
        )
    else:
        a, b = of_channels(table, first % 3, x), of_channels(table, second % 3, x)
        c = of_channels(table, third % 3, x)
    for k in range(0, n, lanes(x)):
        here, i = at(x, k * stride), k * step
        prefetch(at(here, AHEAD * lanes(x)))
        u, v, w = order.read(here, plane)
        put_number(apply, at(y, i), u, a, mosts, streamed)
        put_number(apply, at(y2, i), v, b, mosts, streamed)
        put_number(apply, at(y3, i), w, c, mosts, streamed)


@leaf
def write_four(order, apply, blocks, target, table, most, streamed):
    """Write blocks of four vectors, each of one channel."""
    x, stride, plane, n = blocks
    y, between, step, first, following, _ = target
    y2, y3, y4 = at(y, between), at(y, 2 * between), at(y, 3 * between)
    a, b = of_channel(table, first, x), of_channel(table, first + following, x)
    c = of_channel(table, first + 2 * following, x)
    d, mosts = of_channel(table, first + 3 * following, x), most_of(most, x)
    for k in range(0, n, lanes(x)):
        here, i = at(x, k * stride), k * step
        prefetch(at(here, AHEAD * lanes(x)))
        u, v, w, z = order.read(here, plane)
        put_number(apply, at(y, i), u, a, mosts, streamed)
        put_number(apply, at(y2, i), v, b, mosts, streamed)
        put_number(apply, at(y3, i), w, c, mosts, streamed)
        put_number(apply, at(y4, i), z, d, mosts, streamed)


@inlined
def three(order, mode, blocks, target, table, most, streamed):
    """Write blocks of three vectors by one of two modes."""
    if mode == SCALED:
        write_three(order, scaling.scaled, blocks, target, table, most, streamed)
    else:
        write_three(order, scaling.corrected, blocks, target, table, most, streamed)


@inlined
def four(order, mode, blocks, target, table, most, streamed):
    """Write blocks of four vectors by one of two modes."""
    if mode == SCALED:
        write_four(order, scaling.scaled, blocks, target, table, most, streamed)
    else:
        write_four(order, scaling.corrected, blocks, target, table, most, streamed)


@inlined
def can_block(strides, channels, planar, mode):
    """Return whether there is a loop for pixels of these strides."""
    _, pixel, channel = strides
    if mode != SCALED and mode != CORRECTED:
        return False
    if planar:
        turned = pixel == -3 and channels == 3
        return abs(channel) == 1 and (turned or (pixel == channels and 3 <= channels <= 4))
    return channels == 3 and (pixel == 1 or (pixel == 3 and channel == -1))


@inlined
def before_blocks(y, between, channels, planar):
    """Return how many pixels there are before y is aligned for all vectors of a block, or -1."""
    if planar:
        return to_aligned(y) if between % line(y) == 0 else -1
    for k in range(line(y)):
        if to_aligned(at(y, k * channels)) == 0:
            return k
    return -1


@leaf
def write_blocks(x, strides, y, between, channels, n, planar, mode, table, most, streamed):
    """Write n pixels, whole blocks, where `can_block`; y's planes are so far apart."""
    _, pixel, channel = strides
    if planar:
        # Vectors are of the channels as they lie in memory.
        first, on = (0, 1) if channel > 0 else (channels - 1, -1)
        there = at(y, first * between)
        target = Target(there, on * between, 1, first, on, True)
        blocks = Blocks(first_in_memory(x, strides, channels), pixel, 0, n)
        if channels == 4:
            four(planes_4, mode, blocks, target, table, most, streamed)
        elif pixel > 0:
            three(planes_3, mode, blocks, target, table, most, streamed)
        else:
            three(planes_3_turned, mode, blocks, target, table, most, streamed)
    else:
        target = Target(y, lanes(x), 3, 0, lanes(x), False)
        if pixel == 1:
            blocks = Blocks(x, 1, channel, n)
            three(pixels_3_joined, mode, blocks, target, table, most, streamed)
        else:
            blocks = Blocks(first_in_memory(x, strides, channels), 3, 0, n)
            three(pixels_3_reversed, mode, blocks, target, table, most, streamed)
