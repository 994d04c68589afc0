"""Forward operations along memory; see `given`."""

from numbanorm._status import OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.along import (
    BUNDLE_ROOM,
    normalize_lines_reading,
    normalize_reading,
    slice_moments,
)
from numbanorm.kernels.loops.coefficients import (
    arrays,
    fill_lines,
    keep_coefficients,
    line_coefficients,
    row_coefficients,
)
from numbanorm.kernels.loops.far import settle_far
from numbanorm.kernels.loops.runs import Write, alone, write
from numbanorm.kernels.operations.given import forward_given, runs_of, statistic_start
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import at, get, pointer, put
from numbanorm.kernels.simd.room import stack_computed, stack_doubles
from numbanorm.kernels.simd.vec import splat
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import ceil_div, claim, following, section, streams
from numbanorm.plan.tuning import AHEAD, BUNDLE, BUNDLE_ELEMENTS, CLAIM, LONG_RUN

# --- affine -------------------------------------------------------------------------------------


@leaf
def affine_worker(queue, view, args):
    """Normalise lines by given statistics; `backwards` starts at the end, where x is cached."""
    y, x, norm, backwards, streamed = args
    batch, outer, group, width, run = view
    parts = ceil_div(run, CLAIM)
    units = batch * outer * group * width * parts
    step = max(1, CLAIM // max(1, run))
    start, count = claim(queue, units, step, backwards)
    while count > 0:
        if parts == 1:
            normalize_lines(y, x, view, norm, start, count, streamed)
        else:
            line = start // parts
            begin, end = section(run, parts, start % parts)
            coefs, e = splat(line_coefficients(view, norm, line, x)), line * run + begin
            part = alone(at(y, e), at(x, e), end - begin, coefs, None, streamed)
            write(pieces.normalize, part, AHEAD * lanes(x))
        start, count = claim(queue, units, step, backwards)
    if streamed:
        fence()


@leaf
def normalize_lines(y, x, view, norm, first, count, streamed):
    """Normalise lines that follow one another in memory, a block of them at a time."""
    slots, run = view[2] * view[3], view[4]
    coefs = arrays(stack_computed(160, x), 2 * lanes(x))
    together = streamed and run >= 2 * lanes(x)
    line, stop = first, first + count
    while line < stop:
        block = min(lanes(x), slots - line % slots, stop - line)
        fill_lines(coefs, norm, view, line, block)
        for k in range(block):
            joined, joins = together and k > 0, together and k + 1 < block
            mine, after = row_coefficients(coefs, k, x), row_coefficients(coefs, k + 1, x)
            here, there = at(y, (line + k) * run), at(x, (line + k) * run)
            row = Write(here, there, run, mine, None, after, joined, joins, streamed)
            write(pieces.normalize, row, AHEAD * lanes(x))
        line += block


@operation
def affine(view, args, workers):
    """Normalise by given statistics; see `forward_given`."""
    launch(
        affine_worker,
        workers,
        view,
        (*forward_given(args), streams(view, pointer(args[0]), 2, workers)),
    )
    return OK


# --- both, while a statistic's elements are in cache ----------------------------------------------


@inlined
def bundle_size(view):
    """Return how many adjacent statistics to work on together."""
    _, outer, group, width, run = view
    chunk = width * run
    if width > 1 or outer == 1 or chunk >= LONG_RUN:
        return 1
    size = min(ceil_div(LONG_RUN, chunk), BUNDLE_ELEMENTS // (outer * chunk))
    return max(1, min(size, BUNDLE, group))


@inlined
def bundle_of(group, size, unit):
    """Return a bundle's first statistic and how many it has; the last of a row may have fewer."""
    each = ceil_div(group, size)
    g = unit % each * size
    return unit // each * group + g, min(size, group - g)


@leaf
def normalize_worker(queue, view, args):
    """Take statistics, or bundles of them, one by one: normalise it while reading the next.

    Where neither applies, the two steps take turns instead.
    """
    y, x, norm, _, streamed = args
    batch, outer, group, width, run = view
    size = bundle_size(view)
    units = batch * ceil_div(group, size)
    step = max(1, CLAIM // max(1, outer * width * run * size))
    room = stack_doubles(BUNDLE_ROOM)
    unit, stop = following(queue, units, step, False, -1, 0)
    if unit < units:
        read_bundle(x, view, bundle_of(group, size, unit), norm)
    while unit < units:
        after, stop = following(queue, units, step, False, unit, stop)
        this, then = bundle_of(group, size, unit), bundle_of(group, size, after)
        if width > 1 and outer == 1 and after < units:
            lines_reading(y, x, view, norm, this[0], then[0], streamed)
        elif width == 1 and after < units and this[1] == then[1]:
            bundle_reading(room, y, x, view, norm, this, then[0], streamed)
        else:
            normalize_bundle(y, x, view, norm, this, streamed)
            if after < units:
                read_bundle(x, view, then, norm)
        unit = after
    if streamed:
        fence()


@leaf
def lines_reading(y, x, view, norm, s, then, streamed):
    """Normalise statistic s, several lines, and find the next one's."""
    here, z = statistic_start(view, s), at(x, statistic_start(view, then))
    normalize_lines_reading(at(y, here), at(x, here), z, view, norm, s, then, streamed)
    finish(view, x, then, 1, norm)


@leaf
def bundle_reading(room, y, x, view, norm, bundle, then, streamed):
    """Normalise a bundle of statistics and find those of the next one, from `then` on."""
    _, outer, group, _, _ = view
    s, count = bundle
    for k in range(count):
        line = s // group * outer * group + s % group + k
        keep_coefficients(room, k, line_coefficients(view, norm, line, x))
    here, z = at((y, x), statistic_start(view, s)), at(x, statistic_start(view, then))
    mean, var, runs = at(norm.mean, then), at(norm.var, then), runs_of(view)
    normalize_reading(room, here[0], here[1], z, runs, count, mean, var, streamed)
    finish(view, x, then, count, norm)


@inlined
def finish(view, x, first, count, norm):
    """Turn sums of squared deviations into variances."""
    for s in range(first, first + count):
        put(norm.var, s, get(norm.var, s) / float(view[1] * view[3] * view[4]))
    settle_far(view, x, first, count, norm.mean, norm.var)


@inlined
def read_bundle(x, view, bundle, norm):
    """Write the mean and variance of each statistic of a bundle."""
    first, count = bundle
    for s in range(first, first + count):
        centre, m2 = slice_moments(at(x, statistic_start(view, s)), runs_of(view))
        put(norm.mean, s, centre)
        put(norm.var, s, m2)
    finish(view, x, first, count, norm)


@leaf
def normalize_bundle(y, x, view, norm, bundle, streamed):
    """Normalise the elements of adjacent statistics."""
    _, outer, group, width, _ = view
    s, count = bundle
    for o in range(outer):
        first = ((s // group * outer + o) * group + s % group) * width
        normalize_lines(y, x, view, norm, first, count * width, streamed)


@operation
def normalize(view, args, workers):
    """Normalise by x's own statistics, and write those; see `forward_given`."""
    launch(
        normalize_worker,
        workers,
        view,
        (*forward_given(args), streams(view, pointer(args[0]), 2, workers)),
    )
    return OK
