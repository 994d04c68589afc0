"""Forward operations on rows: contiguous statistics, small or with a weight per element."""

from numbanorm._status import OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_moments import slice_moments
from numbanorm.kernels.loops.rows import affine_lines, affine_row, at_if
from numbanorm.kernels.loops.rows_moments import (
    finish_rows,
    read_rows,
    row_coefficients,
    settle_rows,
)
from numbanorm.kernels.loops.statistics import merge_at
from numbanorm.kernels.operations.forward_along import forward_given
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import (
    at,
    get,
    null,
    pointer,
    put,
    stack_like,
    stack_zeros,
)
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import along_tiles, ceil_div, claim, piece, streams
from numbanorm.plan.tuning import ALONG_TILE, CLAIM

# Elements of a block of rows, which with the next block stays in the second-level cache.
BLOCK = 16384


@inlined
def block_size(view, like):
    """Return how many rows make a block: as many as a vector has lanes, if that is not too much."""
    return max(1, min(lanes(like), BLOCK // (view[3] * view[4])))


@inlined
def blocks_of(view, like):
    """Return (blocks, blocks of one set of rows, rows of a set).

    A block of rows with one weight each is one of neighbouring channels.
    """
    batch, _, group, width, _ = view
    sets, rows = (batch, group) if width == 1 else (1, batch * group)
    each = ceil_div(rows, block_size(view, like))
    return sets * each, each, rows


@inlined
def block_of(view, unit, like):
    """Return the first row of a block and how many it has."""
    _, each, rows = blocks_of(view, like)
    first = unit % each * block_size(view, like)
    return unit // each * rows + first, min(block_size(view, like), rows - first)


@leaf
def read_block(room, x, view, unit, mean, m2):
    """Write the means of a block of rows, and the sums of squared deviations."""
    n, (row, rows) = view[3] * view[4], block_of(view, unit, x)
    base, mean, m2 = at(x, row * n), at(mean, row), at(m2, row)
    if n > ALONG_TILE:
        centre, deviations = slice_moments(room, base, 1, n, n)
        put(mean, 0, centre)
        put(m2, 0, deviations)
    else:
        s1, s2 = at(room, 64), at(room, 96)
        read_rows(base, rows, n, s1, s2)
        settle_rows(room, base, rows, n, s1, s2, mean, m2)


@leaf
def normalize_block(room, y, x, view, unit, after, weight, bias, coefs, mean, m2, streamed):
    """Normalise a block of rows while reading the block `after`, if that is not -1.

    Like `read_block`, this writes the means and squared deviations of what is read.
    """
    _, _, group, width, run = view
    n, (row, rows) = width * run, block_of(view, unit, x)
    then, others = block_of(view, after, x) if after >= 0 else (row, 0)
    s1, s2 = at(room, 64), at(room, 96)
    elementwise, long = width > 1, n > ALONG_TILE
    together = streamed and n >= 2 * lanes(x) and not long and (width == 1 or group == 1)
    for k in range(rows):
        joined, joins = together and k > 0, together and k + 1 < rows
        slot, e = (row + k) % group * width, (row + k) * n
        w, b = (at_if(weight, slot), at_if(bias, slot)) if elementwise else (null(x), null(x))
        here, there, z = at(y, e), at(x, e), at(x, (then + k) * n)
        more = n if k < others else 0
        mine = at(coefs, k)
        if long:
            means, squares = at(mean, then), at(m2, then)
            normalize_long(room, here, there, z, n, more, w, b, mine, means, squares, streamed)
        else:
            found = affine_row(
                here, there, z, n, more, w, b, mine, joined, joins, streamed, elementwise
            )
            put(s1, k, found[0])
            put(s2, k, found[1])
    if others > rows:
        left = at(x, (then + rows) * n)
        read_rows(left, others - rows, n, at(s1, rows), at(s2, rows))
    if others > 0 and not long:
        base = at(x, then * n)
        settle_rows(room, base, others, n, s1, s2, at(mean, then), at(m2, then))


@leaf
def normalize_long(room, y, x, z, n, more, weight, bias, coefs, mean, m2, streamed):
    """Normalise a row of several tiles while reading another one, z, if `more` is not 0."""
    _, _, tiles = along_tiles(1, n)
    s1, s2, centre, deviations = at(room, 64), at(room, 65), at(room, 66), at(room, 67)
    if more > 0:
        put(mean, 0, 0.0)
        put(m2, 0, 0.0)
    for tile in range(tiles):
        start, stop = piece(n, tiles, tile)
        size = stop - start
        found = affine_row(
            at(y, start),
            at(x, start),
            at(z, start),
            size,
            min(more, size),
            at_if(weight, start),
            at_if(bias, start),
            coefs,
            False,
            False,
            streamed,
            True,
        )
        if more > 0:
            put(s1, 0, found[0])
            put(s2, 0, found[1])
            settle_rows(room, at(z, start), 1, size, s1, s2, centre, deviations)
            merge_at(float(start), mean, m2, 0, float(size), get(centre, 0), get(deviations, 0))


@leaf
def normalize_worker(queue, view, args):
    """Take blocks of rows one by one: normalise it while reading the next."""
    y, x, weight, bias, mean, var, eps, centred, streamed = args
    _, _, group, width, run = view
    n, (units, _, _) = width * run, blocks_of(view, x)
    room, coefs = stack_zeros(128), stack_like(80, x)
    step = max(1, CLAIM // (block_size(view, x) * n))
    unit, many = claim(queue, units, step, False)
    stop = unit + many
    if unit < units:
        read_block(room, x, view, unit, mean, var)
    while unit < units:
        after = unit + 1
        if after == stop:
            after, many = claim(queue, units, step, False)
            stop = after + many
        row, rows = block_of(view, unit, x)
        m, v = at(mean, row), at(var, row)
        finish_rows(view, x, row, rows, centred, mean, var)
        if width > 1 and run > 1:
            for r in range(row, row + rows):
                affine_lines(
                    at(y, r * n), at(x, r * n), view, r, mean, var, eps, weight, bias, streamed
                )
            if after < units:
                read_block(room, x, view, after, mean, var)
        else:
            # Rows with a weight per element take it when they are normalised.
            w, b = (null(x), null(x)) if width > 1 else (weight, bias)
            row_coefficients(coefs, rows, m, v, eps, w, b, row % group)
            then = after if after < units else -1
            normalize_block(room, y, x, view, unit, then, weight, bias, coefs, mean, var, streamed)
        unit = after
    if streamed:
        fence()


@operation
def normalize(view, args, workers):
    """Normalise by x's own statistics, and write those; see `forward_given`."""
    launch(normalize_worker, workers, view, (*forward_given(args), streams(view, pointer(args[0]))))
    return OK


@leaf
def affine_worker(queue, view, args):
    """Normalise pieces of rows by given statistics; `backwards` starts at the end."""
    y, x, weight, bias, mean, var, eps, backwards, streamed = args
    batch, outer, group, width, _ = view
    parts, coefs = ceil_div(width, CLAIM), stack_like(80, x)
    units, step = batch * outer * group * parts, max(1, CLAIM // width)
    start, count = claim(queue, units, step, backwards)
    while count > 0:
        for unit in range(start, start + count):
            row = unit // parts
            begin, end = piece(width, parts, unit % parts)
            s, e = row // (outer * group) * group + row % group, row * width + begin
            row_coefficients(coefs, 1, at(mean, s), at(var, s), eps, null(x), null(x), 0)
            slot = row % group * width + begin
            w, b, here, there = at_if(weight, slot), at_if(bias, slot), at(y, e), at(x, e)
            affine_row(
                here, there, there, end - begin, 0, w, b, coefs, False, False, streamed, True
            )
        start, count = claim(queue, units, step, backwards)
    if streamed:
        fence()


@operation
def affine(view, args, workers):
    """Normalise rows whose elements have a weight each by given statistics; see `forward_given`."""
    launch(affine_worker, workers, view, (*forward_given(args), streams(view, pointer(args[0]))))
    return OK
