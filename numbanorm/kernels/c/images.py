"""The C function of images: checks of C's arguments, then the operation that Python calls too."""

from numbanorm._status import MEMORY
from numbanorm.kernels.c.checks import (
    LAYOUT,
    NCHW,
    NHWC,
    NONE,
    OK,
    SCALE,
    SIZE,
    check_spans,
    check_there,
    first_of,
    image_elements,
    product,
    span,
)
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.images import ENTRY, Image, put_image
from numbanorm.kernels.loops.staging import Strides
from numbanorm.kernels.operations.images import can_scale
from numbanorm.kernels.operations.images import normalize as scale
from numbanorm.kernels.simd.pointers import at, is_null
from numbanorm.kernels.simd.room import allocate, as_integers, release
from numbanorm.kernels.simd.storage import itemsize
from numbanorm.kernels.threads.launch import threads
from numbanorm.kernels.tiles import (
    workers_for,
)


@leaf
def normalize_images(
    y, y_layout, x, x_layout, n, height, width, channels, row_bytes, mean, std, max_value,
    reverse_channels,
):  # fmt: skip
    """Images by given means and deviations."""
    pixels = product(height, width)
    status, elements, _ = image_elements(x_layout, n, channels, pixels)
    if pixels < 0 or product(1, height) < 0 or product(1, width) < 0:
        return SIZE
    if status == OK and y_layout != NCHW and y_layout != NHWC:
        return LAYOUT
    size, row = itemsize(x), width if x_layout == NCHW else width * channels
    stride = row if row_bytes == 0 else row_bytes // size
    if status == OK and elements > 0 and (stride < row or row_bytes % size != 0):
        return SIZE
    rows = product(n, height * (channels if x_layout == NCHW else 1)) if status == OK else 0
    extent = product(rows, stride)
    if rows < 0 or extent < 0:
        return SIZE
    # Behind the last row there may be something else.
    extent -= stride - row if extent > 0 else 0
    if status != OK:
        return status
    status = first_of(check_there(y, elements), check_there(x, elements))
    status = first_of(status, first_of(check_there(mean, elements), check_there(std, elements)))
    written = span(y, elements), NONE, NONE, NONE, NONE
    read = span(x, extent), span(mean, channels), span(std, channels), NONE, NONE
    status = first_of(status, check_spans(written, read, 0))
    if status != OK:
        return status
    if elements == 0:
        return OK if can_scale(mean, std, 0, max_value) else SCALE
    if not can_scale(mean, std, channels, max_value):
        return SCALE
    room = allocate(ENTRY * n)
    if is_null(room):
        return MEMORY
    images = as_integers(room)
    source, each = strides_of(x_layout, height, stride, width, channels)
    result, every = strides_of(y_layout, height, -1, width, channels)
    if reverse_channels != 0:
        x = at(x, (channels - 1) * source.channel)
        source = Strides(source.row, source.pixel, -source.channel)
    for i in range(n):
        put_image(images, i, Image(at(x, i * each), source, at(y, i * every), result))
    view = n, height, channels, 1, width
    args = images, y, x, mean, std, 1, max_value, y_layout == NCHW
    status = scale(view, args, workers_for(elements, threads()))
    release(room)
    return status


@inlined
def strides_of(layout, height, row, width, channels):
    """Return the strides of an image, and how far apart images are; -1 for rows without gaps."""
    if layout == NCHW:
        row = width if row < 0 else row
        return Strides(row, 1, height * row), channels * height * row
    row = width * channels if row < 0 else row
    return Strides(row, channels, 1), height * row
