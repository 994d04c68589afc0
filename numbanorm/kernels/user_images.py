"""Images that a user's compiled code passes, of any strides; see `user_arrays`."""

from numbanorm._status import MEMORY, OK, Status
from numbanorm.kernels import ahead
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.images import ENTRY, Image, put_image
from numbanorm.kernels.loops.staging import Strides
from numbanorm.kernels.operations.images import can_scale
from numbanorm.kernels.simd.pointers import address, at, is_null
from numbanorm.kernels.simd.room import allocate, as_integers, release
from numbanorm.kernels.simd.storage import FLOATS, INTEGERS
from numbanorm.kernels.tiles import workers_for
from numbanorm.kernels.user_arrays import of_kinds, read

SIZE, SCALE = int(Status.SIZE), int(Status.SCALE)


_IMAGES = "images must be an array of 4 dimensions,"
pixels = of_kinds("pixels", _IMAGES, (*INTEGERS, *FLOATS), writes=False, ndim=4)
written_pixels = of_kinds("written_pixels", _IMAGES, FLOATS, writes=True, ndim=4)


@inlined
def is_whole(p, array):
    """Return whether images, from a pointer on, are at multiples of an element's size."""
    a, b, c, d = array.strides
    size = array.itemsize
    return (
        address(p) % size == 0 and a % size == 0 and b % size == 0 and c % size == 0
        and d % size == 0
    )  # fmt: skip


@inlined
def element_strides(array):
    """Return how many elements apart rows, pixels and channels of images are."""
    size = array.itemsize
    return Strides(array.strides[1] // size, array.strides[2] // size, array.strides[3] // size)


@leaf
def normalize(y, x, mean, std, max_value, threads):
    """See `numbanorm.jit.normalize_images`."""
    to, source = written_pixels(y), pixels(x)
    n, height, width, channels = x.shape
    if y.shape != x.shape or mean.size != std.size:
        return SIZE
    if mean.size != channels and mean.size != n * channels:
        return SIZE
    if not (is_whole(source, x) and is_whole(to, y)):
        return SIZE
    means, stds = read(mean, 0.0), read(std, 0.0)
    if not can_scale(means, stds, mean.size, max_value):
        return SCALE
    if x.size == 0:
        return OK
    pixel, channel = y.strides[2] // y.itemsize, y.strides[3] // y.itemsize
    if pixel != 1 and (channel != 1 or pixel != channels):
        return SIZE
    sets = 1 if mean.size == channels else n
    room = allocate(ENTRY * n)
    if is_null(room):
        return MEMORY
    images = as_integers(room)
    for i in range(n):
        there = at(source, i * (x.strides[0] // x.itemsize)), element_strides(x)
        here = at(to, i * (y.strides[0] // y.itemsize)), element_strides(y)
        put_image(images, i, Image(there[0], there[1], here[0], here[1]))
    args = images, to, source, means, stds, sets, max_value, pixel == 1
    view, workers = (n, height, channels, 1, width), workers_for(x.size, threads)
    status = ahead.call_scale(view, args, workers)
    release(room)
    return status
