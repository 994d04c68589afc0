"""What C's arguments must be: each check returns a status, and none writes."""

import math

from numbanorm._status import Status
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.simd.pointers import address
from numbanorm.kernels.simd.storage import itemsize

OK, NULL, SIZE, LAYOUT = map(int, (Status.OK, Status.NULL, Status.SIZE, Status.LAYOUT))
EPS, MOMENTUM, CORRECTION = map(int, (Status.EPS, Status.MOMENTUM, Status.CORRECTION))
GROUPS, ONE_VALUE = int(Status.GROUPS), int(Status.ONE_VALUE)
SCALE = int(Status.SCALE)
ALIGNMENT, OVERLAP = int(Status.ALIGNMENT), int(Status.OVERLAP)

NCHW, NHWC = 0, 1

# The span of no array.
NONE = (0, 0, 0)

# Elements of the largest array: with 8 bytes each, they and as many more can still be counted.
MOST = 2**58


@inlined
def span(p, elements):
    """Return an array's address, its size in bytes, and how far it is from its type's alignment.

    It is `NONE` for a null pointer.
    """
    where, size = address(p), itemsize(p)
    return where, (elements * size if where != 0 else 0), where & (size - 1)


@leaf
def product(a, b):
    """Return a * b, or -1 if either is negative or the product more than `MOST`."""
    if a < 0 or b < 0 or (b != 0 and a > MOST // b):
        return -1
    return a * b


@leaf
def image_elements(layout, n, channels, spatial):
    """Return (status, elements of x, values of a channel)."""
    values = product(n, spatial)
    elements = product(values, channels)
    # Where one factor is 0, the product of the others must still be a size.
    if elements < 0 or product(n, channels) < 0 or product(1, channels) < 0:
        return SIZE, 0, 0
    return (OK if layout == NCHW or layout == NHWC else LAYOUT), elements, values


@inlined
def first_of(status, other):
    """Return a status, or if it is a success, the other."""
    return status if status != OK else other


@inlined
def check_eps(eps):
    """Return whether eps is finite and not negative, as a status."""
    return OK if 0.0 <= eps < math.inf else EPS


@inlined
def check_finite(value, status):
    """Return the status unless value is finite."""
    return OK if -math.inf < value < math.inf else status


@inlined
def meet(a, b):
    """Return whether two spans share a byte."""
    return a[1] > 0 and b[1] > 0 and a[0] < b[0] + b[1] and b[0] < a[0] + a[1]


@inlined
def meets_any(span, others):
    """Return whether a span shares a byte with one of five."""
    a, b, c, d, e = others
    return meet(span, a) or meet(span, b) or meet(span, c) or meet(span, d) or meet(span, e)


@inlined
def misaligned(spans):
    """Return whether one of five is not aligned to its type."""
    a, b, c, d, e = spans
    return a[2] | b[2] | c[2] | d[2] | e[2] != 0


@leaf
def check_spans(written, read, sources):
    """Check the five spans that a function writes and the five it reads (`NONE` if fewer).

    None written may overlap another, but the first written may be one of the first `sources` read.
    """
    # Tuples are unpacked, not indexed: an index could be wrong, for all that Numba knows, and
    # raise.
    y, b, c, d, e = written
    r, s, t, u, v = read
    if misaligned(written) or misaligned(read):
        return ALIGNMENT
    if sources > 0 and y == r:
        r = NONE
    if sources > 1 and y == s:
        s = NONE
    if meets_any(y, (r, s, t, u, v)) or meets_any(b, read) or meets_any(c, read):
        return OVERLAP
    if meets_any(d, read) or meets_any(e, read) or meets_any(y, (b, c, d, e, NONE)):
        return OVERLAP
    if meets_any(b, (c, d, e, NONE, NONE)) or meets_any(c, (d, e, NONE, NONE, NONE)) or meet(d, e):
        return OVERLAP
    return OK


@inlined
def check_there(p, elements):
    """Return whether an array is there, if x has elements, as a status."""
    return NULL if elements > 0 and address(p) == 0 else OK
