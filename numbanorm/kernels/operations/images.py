"""Images normalised by given numbers, whatever the strides of their pixels: one read, one write.

`loops.images` describes the table of images.
"""

import math

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.images import How, image_of, write_part
from numbanorm.kernels.loops.scaling import (
    ARRAYS,
    CORRECTED,
    DIVIDED,
    SCALED,
    agrees,
    put_channel,
    table_at,
)
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import at, get, is_null, pointer
from numbanorm.kernels.simd.room import allocate, as_like, release, stack_doubles
from numbanorm.kernels.simd.storage import itemsize, spare_digits
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import ceil_div, following, section, streams
from numbanorm.plan.tuning import STAGED_BYTES, UNIT_ELEMENTS

# Float64s of a thread's room for pixels.
STAGED = STAGED_BYTES // 8

# With fewer pixels than this to a coefficient, it is not worth while to look at all 256 bytes.
LEAST_PIXELS = 1024


@leaf
def worker(queue, view, args):
    """Take parts of images one by one."""
    images, y, x, how = args
    count, height, channels, _, width = view
    pixels = height * width
    parts = ceil_div(pixels * channels, UNIT_ELEMENTS)
    units, room = count * parts, as_like(stack_doubles(STAGED), x)
    unit, stop = following(queue, units, 1, False, -1, 0)
    while unit < units:
        i = unit // parts
        first, last = section(pixels, parts, unit % parts)
        each = ARRAYS * how.room
        table = table_at(at(how.table, (i if how.sets > 1 else 0) * each), how.room)
        write_part(how, image_of(images, i, y, x), view, first, last, room, table)
        unit, stop = following(queue, units, 1, False, unit, stop)
    if how.streamed:
        fence()


@leaf
def can_scale(mean, std, n, most):
    """Return whether n means and deviations, and what stands for 1, are such as one divides by."""
    found = math.isfinite(most) and most != 0.0
    for i in range(n):
        m, s = get(mean, i), get(std, i)
        found = found and math.isfinite(m) and math.isfinite(s) and s != 0.0
    return found


# --- all ------------------------------------------------------------------------------------------


@inlined
def ordinary(value):
    """Return whether nothing underflows or overflows in quotients of a number, or by it."""
    return 2.0**-200 <= abs(value) <= 2.0**200 or abs(value) == math.inf


@leaf
def fill_table(p, room, mean, std, channels, most):
    """Write the coefficients of a set of channels, and go on with the first; return if ordinary."""
    found, table = ordinary(most), table_at(p, room)
    for i in range(room):
        c = i % channels
        put_channel(table, i, get(mean, c), get(std, c), most)
    for c in range(channels):
        m = get(mean, c)
        found = found and ordinary(get(std, c)) and (m == 0.0 or ordinary(m))
    return found


@leaf
def mode_of(p, room, sets, channels, pixels, most, fine, y, x):
    """Return how all numbers are found."""
    if not fine or not spare_digits(x):
        return DIVIDED
    if itemsize(x) > 1 or pixels < LEAST_PIXELS:
        return CORRECTED
    for k in range(sets):
        for c in range(channels):
            if not agrees(table_at(at(p, k * ARRAYS * room), room), c, most, y, x):
                return CORRECTED
    return SCALED


@operation
def normalize(view, args, workers):
    """Write (x / most - mean) / std; `args` is (images, y, x, mean, std, sets, most, planar).

    `view` is (images, height, channels, 1, width). y and x only tell the types; mean and std are
    `sets` of one value for each channel: one set for all images, or one for each.
    """
    images, y, x, mean, std, sets, most, planar = args
    images, y, x, mean, std = pointer(images), pointer(y), pointer(x), pointer(mean), pointer(std)
    count, height, channels, _, width = view
    room, arrays = channels + lanes(x), 1 if itemsize(x) < itemsize(y) else 2
    table = allocate(ARRAYS * room * sets)
    if is_null(table):
        return MEMORY
    fine = True
    for k in range(sets):
        mine = at(mean, k * channels), at(std, k * channels)
        done = fill_table(at(table, ARRAYS * room * k), room, *mine, channels, most)
        fine = fine and done
    pixels = height * width * (count if sets == 1 else 1)
    mode = mode_of(table, room, sets, channels, pixels, most, fine, y, x)
    how = How(table, room, sets, most, mode, planar, streams(view, y, arrays, workers))
    launch(worker, workers, view, (images, y, x, how))
    release(table)
    return OK
