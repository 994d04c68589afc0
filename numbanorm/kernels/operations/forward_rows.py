"""Forward operations on rows: contiguous statistics, small or with a weight per element."""

from numbanorm._status import OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along import Runs, slice_moments
from numbanorm.kernels.loops.coefficients import Norm, arrays, fill_rows, row_coefficients
from numbanorm.kernels.loops.rows import (
    finish_rows,
    normalize_lines,
    normalize_row,
    read_rows,
    settle_row,
    settle_rows,
)
from numbanorm.kernels.loops.runs import Write, alone
from numbanorm.kernels.loops.statistics import merge_at
from numbanorm.kernels.operations.given import forward_given
from numbanorm.kernels.simd.memory import fence, lanes
from numbanorm.kernels.simd.pointers import at, at_if, null, pointer, put
from numbanorm.kernels.simd.room import stack_computed, stack_doubles
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import along_tiles, ceil_div, following, section, streams
from numbanorm.plan.tuning import ALONG_TILE, CLAIM, ROW_BLOCK

# Float64s on the stack for two sums of each row of a block.
SUMS = 64


@inlined
def block_size(view, like):
    """Return how many rows make a block: as many as a vector has lanes, if that is not too much."""
    return max(1, min(lanes(like), ROW_BLOCK // (view[3] * view[4])))


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
def read_block(sums, x, view, unit, norm):
    """Write the means of a block of rows, and the sums of squared deviations."""
    n, (row, rows) = view[3] * view[4], block_of(view, unit, x)
    base, mean, m2 = at(x, row * n), at(norm.mean, row), at(norm.var, row)
    if n > ALONG_TILE:
        centre, deviations = slice_moments(base, Runs(1, n, n))
        put(mean, 0, centre)
        put(m2, 0, deviations)
    else:
        s1, s2 = sums, at(sums, SUMS // 2)
        read_rows(base, rows, n, s1, s2)
        settle_rows(base, rows, n, s1, s2, mean, m2)


@leaf
def normalize_block(sums, y, x, view, unit, after, norm, coefs, streamed):
    """Normalise a block of rows while reading the block `after`, if that is not -1.

    Like `read_block`, this writes the means and squared deviations of what is read.
    """
    _, _, group, width, run = view
    n, (row, rows) = width * run, block_of(view, unit, x)
    then, others = block_of(view, after, x) if after >= 0 else (row, 0)
    s1, s2, elementwise = sums, at(sums, SUMS // 2), width > 1
    together = streamed and n >= 2 * lanes(x) and (width == 1 or group == 1)
    for k in range(rows):
        slot, e = (row + k) % group * width, (row + k) * n
        given = element_parameters(norm, slot, elementwise)
        joined, joins = together and k > 0, together and k + 1 < rows
        mine, next_one = row_coefficients(coefs, k, x), row_coefficients(coefs, k + 1, x)
        here = Write(at(y, e), at(x, e), n, mine, given, next_one, joined, joins, streamed)
        more = n if k < others else 0
        plain, squares = normalize_row(here, at(x, (then + k) * n), more, elementwise)
        put(s1, k, plain)
        put(s2, k, squares)
    if others > rows:
        read_rows(at(x, (then + rows) * n), others - rows, n, at(s1, rows), at(s2, rows))
    if others > 0:
        mean, m2 = at(norm.mean, then), at(norm.var, then)
        settle_rows(at(x, then * n), others, n, s1, s2, mean, m2)


@inlined
def element_parameters(norm, slot, elementwise):
    """Return the weights and biases of a row's elements, null if they have none of their own."""
    none = null(norm.weight)
    weight = at_if(norm.weight, slot) if elementwise else none
    return weight, at_if(norm.bias, slot) if elementwise else none


@leaf
def normalize_long(y, x, view, row, after, norm, coefs, streamed):
    """Normalise a row of several tiles while reading the row `after`, if that is not -1."""
    n = view[3] * view[4]
    weight, bias = element_parameters(norm, row % view[2] * view[3], True)
    vectors = row_coefficients(coefs, 0, x)
    _, _, tiles = along_tiles(1, n)
    for tile in range(tiles):
        start, stop = section(n, tiles, tile)
        e, size, given = row * n + start, stop - start, (at_if(weight, start), at_if(bias, start))
        here = alone(at(y, e), at(x, e), size, vectors, given, streamed)
        z = at(x, (after if after >= 0 else row) * n + start)
        plain, squares = normalize_row(here, z, size if after >= 0 else 0, True)
        if after >= 0:
            found, m2 = settle_row(z, size, plain, squares)
            count = float(start)
            merge_at(count, norm.mean, norm.var, after, float(size), found, m2)


@leaf
def normalize_worker(queue, view, args):
    """Take blocks of rows one by one: normalise it while reading the next."""
    y, x, norm, centred, streamed = args
    _, _, group, width, run = view
    n, (units, _, _) = width * run, blocks_of(view, x)
    sums, coefs = stack_doubles(SUMS), arrays(stack_computed(160, x), 2 * lanes(x))
    step = max(1, CLAIM // (block_size(view, x) * n))
    unit, stop = following(queue, units, step, False, -1, 0)
    if unit < units:
        read_block(sums, x, view, unit, norm)
    while unit < units:
        after, stop = following(queue, units, step, False, unit, stop)
        row, rows = block_of(view, unit, x)
        finish_rows(view, x, row, rows, centred, norm.mean, norm.var)
        if width > 1 and run > 1:
            for r in range(row, row + rows):
                normalize_lines(at(y, r * n), at(x, r * n), view, r, norm, streamed)
            if after < units:
                read_block(sums, x, view, after, norm)
        else:
            fill_rows(coefs, row_norm(norm, width > 1), row, row % group, rows)
            then = after if after < units else -1
            if n > ALONG_TILE:
                normalize_long(y, x, view, unit, then, norm, coefs, streamed)
            else:
                normalize_block(sums, y, x, view, unit, then, norm, coefs, streamed)
        unit = after
    if streamed:
        fence()


@inlined
def row_norm(norm, elementwise):
    """Return what rows are normalised by, but what their elements have: they take it later."""
    none = null(norm.weight)
    weight = none if elementwise else norm.weight
    return Norm(weight, none if elementwise else norm.bias, norm.mean, norm.var, norm.eps)


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


@leaf
def affine_worker(queue, view, args):
    """Normalise sections of rows by given statistics; `backwards` starts at the end."""
    y, x, norm, backwards, streamed = args
    batch, outer, group, width, _ = view
    parts, coefs = ceil_div(width, CLAIM), arrays(stack_computed(160, x), 2 * lanes(x))
    units, step = batch * outer * group * parts, max(1, CLAIM // width)
    unit, stop = following(queue, units, step, backwards, -1, 0)
    while unit < units:
        row = unit // parts
        begin, end = section(width, parts, unit % parts)
        s, e = row // (outer * group) * group + row % group, row * width + begin
        fill_rows(coefs, row_norm(norm, True), s, 0, 1)
        given = element_parameters(norm, row % group * width + begin, True)
        vectors, n = row_coefficients(coefs, 0, x), end - begin
        normalize_row(alone(at(y, e), at(x, e), n, vectors, given, streamed), at(x, e), 0, True)
        unit, stop = following(queue, units, step, backwards, unit, stop)
    if streamed:
        fence()


@operation
def affine(view, args, workers):
    """Normalise rows whose elements have a weight each by given statistics; see `forward_given`."""
    launch(
        affine_worker,
        workers,
        view,
        (*forward_given(args), streams(view, pointer(args[0]), 2, workers)),
    )
    return OK
