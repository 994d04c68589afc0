"""One image, or a part of it, written from wherever its pixels are: as it is, in blocks, or staged.

A row of the table of images says where one is and where its result goes: (x, and how many elements
its rows, pixels and channels are apart; y, and its; all int64). Results are planes, or pixels.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import scaling
from numbanorm.kernels.loops.blocks import before_blocks, can_block, write_blocks
from numbanorm.kernels.loops.scaling import (
    CORRECTED,
    SCALED,
    write_pixels,
    write_plane,
)
from numbanorm.kernels.loops.staging import Strides, stage_pixels, stage_planes
from numbanorm.kernels.simd.memory import lanes
from numbanorm.kernels.simd.pointers import (
    address,
    at,
    integer_in,
    pointer_in,
    put_integer,
)
from numbanorm.kernels.simd.storage import itemsize
from numbanorm.plan.tuning import AHEAD, DIRECT_ROW, PLANES, STAGED_BYTES

# Numbers of a row of the table of images.
ENTRY = 8


class Image(NamedTuple):
    """One image: pointers to the first channel of its first pixel, and strides."""

    x: Any
    x_strides: Any
    y: Any
    y_strides: Any


class How(NamedTuple):
    """What is done to all images."""

    table: Any
    room: Any
    sets: Any
    most: Any
    mode: Any
    planar: Any
    streamed: Any


@inlined
def image_of(images, i, y, x):
    """Return the i-th image, whose types are those of y and x."""
    p = at(images, i * ENTRY)
    x_strides = Strides(integer_in(p, 1), integer_in(p, 2), integer_in(p, 3))
    y_strides = Strides(integer_in(p, 5), integer_in(p, 6), integer_in(p, 7))
    return Image(pointer_in(p, 0, x), x_strides, pointer_in(p, 4, y), y_strides)


@inlined
def put_image(images, i, image):
    """Write the i-th row of the table of images."""
    p = at(images, i * ENTRY)
    put_place(p, image.x, image.x_strides)
    put_place(at(p, 4), image.y, image.y_strides)


@inlined
def put_place(p, pixels, strides):
    """Write where the pixels of an image are."""
    put_integer(p, 0, address(pixels))
    put_integer(p, 1, strides.row)
    put_integer(p, 2, strides.pixel)
    put_integer(p, 3, strides.channel)


@inlined
def place(strides, width, pixel):
    """Return the index of the first channel of a pixel."""
    return pixel // width * strides.row + pixel % width * strides.pixel


@inlined
def flat(strides, height, width):
    """Return whether the rows of an image follow one another as its pixels do."""
    return height == 1 or strides.row == width * strides.pixel


# --- writing --------------------------------------------------------------------------------------


@leaf
def write_channel(how, y, x, then, n, table, c):
    """Write n elements of one channel."""
    most, streamed = how.most, how.streamed
    if how.mode == SCALED:
        write_plane(scaling.scaled, y, x, then, n, table, c, most, streamed)
    elif how.mode == CORRECTED:
        write_plane(scaling.corrected, y, x, then, n, table, c, most, streamed)
    else:
        write_plane(scaling.divided, y, x, then, n, table, c, most, streamed)


@leaf
def write_channels(how, y, x, then, n, table, channels, first):
    """Write n elements of pixels, from one of channel `first` on."""
    most, streamed = how.most, how.streamed
    if how.mode == SCALED:
        write_pixels(scaling.scaled, y, x, then, n, table, channels, first, most, streamed)
    elif how.mode == CORRECTED:
        write_pixels(scaling.corrected, y, x, then, n, table, channels, first, most, streamed)
    else:
        write_pixels(scaling.divided, y, x, then, n, table, channels, first, most, streamed)


@inlined
def write_planes(how, image, y, x, plane, then, n, table, first, stop):
    """Write n elements of each of some channels from planes, `plane` apart in x."""
    for c in range(first, stop):
        there, more = at(x, (c - first) * plane), at(then, (c - first) * n)
        write_channel(how, at(y, c * image.y_strides.channel), there, more, n, table, c)


@inlined
def stage(to, plane, image, view, pixel, n, first, count, planar):
    """Bring n pixels of `count` channels from the `first` on into order, row by row."""
    _, height, _, _, width = view
    done, strides = 0, image.x_strides
    while done < n:
        size = n - done
        if not flat(strides, height, width):
            size = min(size, width - (pixel + done) % width)
        x = at(image.x, place(strides, width, pixel + done) + first * strides.channel)
        if planar:
            stage_planes(at(to, done), plane, x, strides, count, size)
        else:
            stage_pixels(at(to, done * count), x, strides, count, size)
        done += size


@leaf
def write_staged(how, image, view, pixel, n, room, table):
    """Write n pixels, brought into order first; not more than there is `room` for."""
    _, _, channels, _, width = view
    most, y = STAGED_BYTES // itemsize(image.x), at(image.y, place(image.y_strides, width, pixel))
    block = block_channels(channels, how.planar, most)
    plane, then = most // block, at(image.x, place(image.x_strides, width, pixel + n))
    # Not a range, which raises where a step is 0, as this one, for all that the compiler knows.
    first = 0
    while first < channels:
        stop = min(first + block, channels)
        stage(room, plane, image, view, pixel, n, first, stop - first, how.planar)
        if how.planar:
            write_planes(how, image, y, room, plane, then, n, table, first, stop)
        else:
            size = n * (stop - first)
            write_channels(how, at(y, first), room, then, size, table, channels, first)
        first = stop


@inlined
def block_channels(channels, planar, most):
    """Return how many channels are brought into order at once."""
    return min(channels, PLANES if planar else most)


@inlined
def block_pixels(channels, planar, most, step):
    """Return of how many pixels, a multiple of `step` if there are so many."""
    found = most // block_channels(channels, planar, most)
    return found - found % step if found > step else found


@leaf
def write_direct(how, image, view, pixel, n, table):
    """Write n pixels that are in order as they are."""
    _, _, channels, _, width = view
    x = at(image.x, place(image.x_strides, width, pixel))
    y = at(image.y, place(image.y_strides, width, pixel))
    if how.planar:
        plane, then = image.x_strides.channel, at(x, AHEAD * lanes(x))
        write_planes(how, image, y, x, plane, then, n, table, 0, channels)
    else:
        write_channels(how, y, x, at(x, AHEAD * lanes(x)), n * channels, table, channels, 0)


@leaf
def write_run(how, image, view, pixel, n, room, table):
    """Write n pixels of one row of x and y, or of rows that follow one another: blocks, and edges.

    Returns False, and writes nothing, where blocks can't be written past the caches as they are to.
    """
    _, _, channels, _, width = view
    x = at(image.x, place(image.x_strides, width, pixel))
    y, between = at(image.y, place(image.y_strides, width, pixel)), image.y_strides.channel
    head = before_blocks(y, between, channels, how.planar) if how.streamed else 0
    if head < 0:
        return False
    head = min(head, n)
    size, step = (n - head) // lanes(x) * lanes(x), 1 if how.planar else channels
    if head > 0:
        write_staged(how, image, view, pixel, head, room, table)
    here, there = at(x, head * image.x_strides.pixel), at(y, head * step)
    most, streamed = how.most, how.streamed
    write_blocks(
        here, image.x_strides, there, between, channels, size, how.planar, how.mode, table, most,
        streamed,
    )  # fmt: skip
    if head + size < n:
        write_staged(how, image, view, pixel + head + size, n - head - size, room, table)
    return True


@leaf
def write_part(how, image, view, start, stop, room, table):
    """Write the pixels [start, stop) of an image."""
    _, height, channels, _, width = view
    strides = image.x_strides
    if how.planar:
        ordered = strides.pixel == 1
    else:
        ordered = strides.channel == 1 and strides.pixel == channels
    whole, y_whole = flat(strides, height, width), flat(image.y_strides, height, width)
    long = width * (1 if how.planar else channels) >= DIRECT_ROW
    direct = ordered and (whole or long)
    blocks = not ordered and can_block(strides, channels, how.planar, how.mode)
    blocks = blocks and ((whole and y_whole) or long)
    by_rows = not y_whole or ((direct or blocks) and not whole)
    most, step = STAGED_BYTES // itemsize(image.x), lanes(image.x)
    most = block_pixels(channels, how.planar, most, step)
    pixel = start
    while pixel < stop:
        n = stop - pixel
        if by_rows:
            n = min(n, width - pixel % width)
        if direct:
            write_direct(how, image, view, pixel, n, table)
        elif not (blocks and write_run(how, image, view, pixel, n, room, table)):
            n = min(n, most)
            write_staged(how, image, view, pixel, n, room, table)
        pixel += n
