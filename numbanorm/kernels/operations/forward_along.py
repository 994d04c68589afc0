"""Forward operations along memory.

Arrays are flat and contiguous; `view` is (batch, outer, group, width, run); weight and bias may be
empty, or null; mean and var hold (batch, group) values, float64 where they are results.
"""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_affine import AHEAD
from numbanorm.kernels.loops.along_affine import affine as affine_run
from numbanorm.kernels.loops.along_both import normalize_lines_reading, normalize_reading
from numbanorm.kernels.loops.along_moments import slice_moments, tile_moments
from numbanorm.kernels.loops.far import settle_far
from numbanorm.kernels.loops.statistics import coefficients, merge, or_else, reciprocal_deviation
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import (
    allocate,
    at,
    get,
    is_null,
    optional,
    pointer,
    put,
    release,
    stack_doubles,
)
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import along_tiles, ceil_div, claim, piece, streams
from numbanorm.plan.tuning import CLAIM


@inlined
def forward_given(args):
    """Return what forward operations are given, as pointers; weight and bias may be empty.

    (y, x, weight, bias, mean, var, eps, how): `how` is, for given statistics, whether to start at
    the end, where x is still in the cache; for x's own, whether to centre x (else, in rows only, it
    is normalised by its mean square).
    """
    y, x, weight, bias, mean, var, eps, how = args
    y, x, weight, bias = pointer(y), pointer(x), optional(weight), optional(bias)
    return y, x, weight, bias, pointer(mean), pointer(var), eps, how


@inlined
def slice_start(view, s):
    """Return the index of the first element of statistic s."""
    _, outer, group, width, run = view
    return (s // group * outer * group + s % group) * width * run


@inlined
def line_coefficients(view, line, mean, var, eps, weight, bias, like):
    """Return the coefficients of a line: `run` elements with one weight and one statistic."""
    _, outer, group, width, _ = view
    slot = line % (group * width)
    s = line // (outer * group * width) * group + slot // width
    rstd = reciprocal_deviation(get(var, s), eps, like)
    weighted, biased = or_else(weight, slot, 1.0), or_else(bias, slot, 0.0)
    return coefficients(get(mean, s), rstd, weighted, biased, like)


# --- moments ------------------------------------------------------------------------------------


@leaf
def moments_worker(queue, view, args):
    """Write (count, mean, m2) of every tile of every statistic, in order."""
    x, partial = args
    batch, outer, group, width, run = view
    chunk, stride = width * run, group * width * run
    rows, _, tiles = along_tiles(outer, chunk)
    step = max(1, CLAIM // max(1, rows * min(chunk, CLAIM)))
    sums = stack_doubles(64)
    units = batch * group * tiles
    first, many = claim(queue, units, step, False)
    while many > 0:
        for unit in range(first, first + many):
            base = at(x, slice_start(view, unit // tiles))
            count, mean, m2 = tile_moments(sums, base, outer, stride, chunk, unit % tiles)
            put(partial, 3 * unit, count)
            put(partial, 3 * unit + 1, mean)
            put(partial, 3 * unit + 2, m2)
        first, many = claim(queue, units, step, False)


@leaf
def merge_moments(view, x, partial, mean, var):
    """Merge the tiles of each statistic, in order, into mean and (biased) variance."""
    batch, outer, group, width, run = view
    _, _, tiles = along_tiles(outer, width * run)
    for s in range(batch * group):
        count, centre, m2 = 0.0, 0.0, 0.0
        for t in range(s * tiles, (s + 1) * tiles):
            more = get(partial, 3 * t)
            more_mean, more_m2 = get(partial, 3 * t + 1), get(partial, 3 * t + 2)
            centre, m2 = merge(count, centre, m2, more, more_mean, more_m2)
            count += more
        put(mean, s, centre)
        put(var, s, m2 / count)
    settle_far(view, x, 0, batch * group, mean, var)


@operation
def moments(view, args, workers):
    """Write the mean and biased variance of each statistic; `args` is (x, mean, var)."""
    x, mean, var = args
    x, mean, var = pointer(x), pointer(mean), pointer(var)
    batch, outer, group, width, run = view
    _, _, tiles = along_tiles(outer, width * run)
    partial = allocate(3 * batch * group * tiles)
    if is_null(partial):
        return MEMORY
    launch(moments_worker, workers, view, (x, partial))
    merge_moments(view, x, partial, mean, var)
    release(partial)
    return OK


# --- affine -------------------------------------------------------------------------------------


@leaf
def affine_worker(queue, view, args):
    """Normalise lines by given statistics; `backwards` starts at the end, where x is cached."""
    y, x, weight, bias, mean, var, eps, backwards, streamed = args
    batch, outer, group, width, run = view
    parts = ceil_div(run, CLAIM)
    units = batch * outer * group * width * parts
    step = max(1, CLAIM // max(1, run))
    start, count = claim(queue, units, step, backwards)
    while count > 0:
        if parts == 1:
            affine_lines(y, x, weight, bias, mean, var, eps, view, start, count, streamed)
        else:
            line = start // parts
            begin, end = piece(run, parts, start % parts)
            coefs = line_coefficients(view, line, mean, var, eps, weight, bias, x)
            begin, n = line * run + begin, end - begin
            affine_run(
                at(y, begin),
                at(x, begin),
                n,
                AHEAD * lanes(x),
                coefs,
                coefs,
                False,
                False,
                streamed,
            )
        start, count = claim(queue, units, step, backwards)
    if streamed:
        fence()


@leaf
def affine_lines(y, x, weight, bias, mean, var, eps, view, first, count, streamed):
    """Normalise lines that follow one another in memory."""
    run = view[4]
    together, ahead = streamed and run >= 2 * lanes(x), AHEAD * lanes(x)
    coefs = line_coefficients(view, first, mean, var, eps, weight, bias, x)
    for line in range(first, first + count):
        joins = together and line + 1 < first + count
        if line + 1 < first + count:
            after = line_coefficients(view, line + 1, mean, var, eps, weight, bias, x)
        else:
            after = coefs
        joined = together and line > first
        affine_run(
            at(y, line * run), at(x, line * run), run, ahead, coefs, after, joined, joins, streamed
        )
        coefs = after


@operation
def affine(view, args, workers):
    """Normalise by given statistics; see `forward_given`."""
    launch(affine_worker, workers, view, (*forward_given(args), streams(view, pointer(args[0]))))
    return OK


# --- both, while a statistic's elements are in cache ----------------------------------------------


# A bundle of adjacent statistics is worked on together where each has short runs, so that memory is
# read and written in long ones. It is bounded by the room for its sums, and by a cache's size.
BUNDLE = 16
LONG_RUN = 2048
BUNDLE_ELEMENTS = 1 << 17


@inlined
def bundle_size(view):
    """Return how many adjacent statistics to work on together."""
    _, outer, group, width, run = view
    chunk = width * run
    if width > 1 or outer == 1 or chunk >= LONG_RUN:
        return 1
    size = min(ceil_div(LONG_RUN, chunk), BUNDLE_ELEMENTS // (outer * chunk))
    return max(1, min(size, BUNDLE, group))


@leaf
def normalize_worker(queue, view, args):
    """Take statistics, or bundles of them, one by one: normalise it while reading the next.

    Where neither applies, the two steps take turns instead.
    """
    y, x, weight, bias, mean, var, eps, _, streamed = args
    batch, outer, group, width, run = view
    chunk, stride, size = width * run, group * width * run, bundle_size(view)
    each = ceil_div(group, size)
    units = batch * each
    step = max(1, CLAIM // max(1, outer * chunk * size))
    sums, table = stack_doubles(1024), stack_doubles(80)
    unit, many = claim(queue, units, step, False)
    stop = unit + many
    if unit < units:
        read_bundle(sums, x, view, unit, size, mean, var)
    while unit < units:
        after = unit + 1
        if after == stop:
            after, many = claim(queue, units, step, False)
            stop = after + many
        s, here = bundle_of(group, size, each, unit)
        then, there = bundle_of(group, size, each, after)
        if width > 1 and outer == 1 and after < units:
            rstd = reciprocal_deviation(get(var, s), eps, x)
            put(mean, then, 0.0)
            put(var, then, 0.0)
            normalize_lines_reading(
                sums,
                at(y, slice_start(view, s)),
                at(x, slice_start(view, s)),
                at(x, slice_start(view, then)),
                width,
                run,
                s % group * width,
                get(mean, s),
                rstd,
                weight,
                bias,
                at(mean, then),
                at(var, then),
                streamed,
            )
            put(var, then, get(var, then) / float(chunk))
            settle_far(view, x, then, 1, mean, var)
        elif width == 1 and after < units and here == there:
            for k in range(here):
                line = s // group * outer * group + s % group + k
                coefs = line_coefficients(view, line, mean, var, eps, weight, bias, x)
                for i in range(5):
                    put(table, 5 * k + i, float(coefs[i]))
                put(mean, then + k, 0.0)
                put(var, then + k, 0.0)
            base, z = slice_start(view, s), at(x, slice_start(view, then))
            normalize_reading(
                sums,
                at(y, base),
                at(x, base),
                z,
                outer,
                stride,
                chunk,
                here,
                table,
                0.0,
                at(mean, then),
                at(var, then),
                streamed,
            )
            for k in range(here):
                put(var, then + k, get(var, then + k) / float(outer * chunk))
            settle_far(view, x, then, here, mean, var)
        else:
            affine_bundle(y, x, weight, bias, mean, var, eps, view, s, here, streamed)
            if after < units:
                read_bundle(sums, x, view, after, size, mean, var)
        unit = after
    if streamed:
        fence()


@inlined
def bundle_of(group, size, each, unit):
    """Return a bundle's first statistic and how many it has; the last of a row may have fewer."""
    g = unit % each * size
    return unit // each * group + g, min(size, group - g)


@inlined
def read_bundle(sums, x, view, unit, size, mean, var):
    """Write the mean and variance of each statistic of a bundle."""
    _, outer, group, width, run = view
    stride, each = group * width * run, ceil_div(group, size)
    first, count = bundle_of(group, size, each, unit)
    for s in range(first, first + count):
        base = at(x, slice_start(view, s))
        centre, m2 = slice_moments(sums, base, outer, stride, width * run)
        put(mean, s, centre)
        put(var, s, m2 / float(outer * width * run))
    settle_far(view, x, first, count, mean, var)


@leaf
def affine_bundle(y, x, weight, bias, mean, var, eps, view, s, count, streamed):
    """Normalise the elements of `count` adjacent statistics from s on."""
    _, outer, group, width, _ = view
    for o in range(outer):
        first = ((s // group * outer + o) * group + s % group) * width
        affine_lines(y, x, weight, bias, mean, var, eps, view, first, count * width, streamed)


@operation
def normalize(view, args, workers):
    """Normalise by x's own statistics, and write those; see `forward_given`."""
    launch(normalize_worker, workers, view, (*forward_given(args), streams(view, pointer(args[0]))))
    return OK
