"""Pixels of any strides, brought into the order in which they are written, a few at a time.

They stand in memory that a first-level cache holds, as they are: as planes, each channel by itself,
or as pixels. What image libraries give (three or four channels side by side, or planes; mirrored
left to right, their channels reversed) is moved by whole vectors, anything else one by one.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined, leaf, named
from numbanorm.kernels.simd.memory import lanes
from numbanorm.kernels.simd.pixels import from_pixels, from_planes
from numbanorm.kernels.simd.pointers import at
from numbanorm.kernels.simd.room import copy_element, copy_elements


class Order(NamedTuple):
    """How a vector's worth of pixels is read, and how it is moved; see `simd.pixels`."""

    read: Any
    move: Any


def order(pixels: tuple[Any, Any]) -> Order:
    """Return an order that a loop can be given."""
    read_vectors, move_vectors = pixels

    def read(x, plane):  # type: ignore[no-untyped-def]
        return read_vectors(x, plane)

    def move(to, x, plane):  # type: ignore[no-untyped-def]
        move_vectors(to, x, plane)

    name = read_vectors.__name__
    return Order(inlined(named(read, name)), inlined(named(move, f"{name}.move")))


planes_3, planes_3_turned = order(from_pixels(3, True, False)), order(from_pixels(3, True, True))
planes_4, planes_4_turned = order(from_pixels(4, True, False)), order(from_pixels(4, True, True))
pixels_3_turned = order(from_pixels(3, False, True))
pixels_4_turned = order(from_pixels(4, False, True))
pixels_3_reversed = order(from_pixels(3, False, False, True))
pixels_4_reversed = order(from_pixels(4, False, False, True))
pixels_3_both = order(from_pixels(3, False, True, True))
pixels_4_both = order(from_pixels(4, False, True, True))
pixels_3_joined, pixels_4_joined = order(from_planes(3)), order(from_planes(4))
line_turned = order(from_pixels(1, False, True))


class Strides(NamedTuple):
    """How many elements apart rows, pixels of a row and channels of a pixel are."""

    row: Any
    pixel: Any
    channel: Any


@inlined
def first_in_memory(x, strides, channels):
    """Return where the first block of pixels side by side starts in memory."""
    _, pixel, channel = strides
    turned = (lanes(x) - 1) * pixel if pixel < 0 else 0
    return at(x, turned + ((channels - 1) * channel if channel < 0 else 0))


@leaf
def move(order, to, x, n, step, stride, plane):
    """Move whole blocks of n pixels, `stride` apart, to `step` apart; returns how many pixels."""
    done = n - n % lanes(x)
    for k in range(0, done, lanes(x)):
        order.move(at(to, k * step), at(x, k * stride), plane)
    return done


@inlined
def move_to_planes(to, plane, x, strides, channels, n):
    """Move whole blocks of pixels of 3 or 4 channels into planes."""
    _, pixel, channel = strides
    low = first_in_memory(x, strides, channels)
    if channel < 0:
        # The first plane is the one of the last channel in memory.
        to, plane = at(to, (channels - 1) * plane), -plane
    if channels == 3:
        if pixel > 0:
            return move(planes_3, to, low, n, 1, pixel, plane)
        return move(planes_3_turned, to, low, n, 1, pixel, plane)
    if pixel > 0:
        return move(planes_4, to, low, n, 1, pixel, plane)
    return move(planes_4_turned, to, low, n, 1, pixel, plane)


@inlined
def move_to_pixels(to, x, strides, channels, n):
    """Move whole blocks of pixels of 3 or 4 channels to pixels, in another order."""
    _, pixel, channel = strides
    low = first_in_memory(x, strides, channels)
    if channels == 3:
        if channel > 0:
            return move(pixels_3_turned, to, low, n, 3, pixel, 0)
        if pixel > 0:
            return move(pixels_3_reversed, to, low, n, 3, pixel, 0)
        return move(pixels_3_both, to, low, n, 3, pixel, 0)
    if channel > 0:
        return move(pixels_4_turned, to, low, n, 4, pixel, 0)
    if pixel > 0:
        return move(pixels_4_reversed, to, low, n, 4, pixel, 0)
    return move(pixels_4_both, to, low, n, 4, pixel, 0)


@leaf
def stage_planes(to, plane, x, strides, channels, n):
    """Bring n pixels of a row into planes, `plane` apart."""
    _, pixel, channel = strides
    done, side_by_side = 0, abs(channel) == 1 and abs(pixel) == channels
    if side_by_side and (channels == 3 or channels == 4):
        done = move_to_planes(to, plane, x, strides, channels, n)
    elif pixel == 1:
        for c in range(channels):
            copy_elements(at(to, c * plane), at(x, c * channel), n)
        done = n
    elif pixel == -1:
        for c in range(channels):
            last = at(x, c * channel - (lanes(x) - 1))
            done = move(line_turned, at(to, c * plane), last, n, 1, -1, 0)
    if abs(channel) < abs(pixel):
        for k in range(done, n):
            for c in range(channels):
                copy_element(to, c * plane + k, x, k * pixel + c * channel)
    else:
        for c in range(channels):
            for k in range(done, n):
                copy_element(to, c * plane + k, x, k * pixel + c * channel)


@leaf
def stage_pixels(to, x, strides, channels, n):
    """Bring n pixels of a row into pixels side by side."""
    _, pixel, channel = strides
    done, side_by_side = 0, abs(channel) == 1 and abs(pixel) == channels
    if channel == 1 and pixel == channels:
        copy_elements(to, x, n * channels)
        done = n
    elif side_by_side and (channels == 3 or channels == 4):
        done = move_to_pixels(to, x, strides, channels, n)
    elif pixel == 1 and channels == 3:
        done = move(pixels_3_joined, to, x, n, 3, 1, channel)
    elif pixel == 1 and channels == 4:
        done = move(pixels_4_joined, to, x, n, 4, 1, channel)
    if abs(channel) < abs(pixel):
        for k in range(done, n):
            for c in range(channels):
                copy_element(to, k * channels + c, x, k * pixel + c * channel)
    else:
        for c in range(channels):
            for k in range(done, n):
                copy_element(to, k * channels + c, x, k * pixel + c * channel)
