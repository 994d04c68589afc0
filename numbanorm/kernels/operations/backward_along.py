"""Backward operations along memory.

`totals` holds three arrays of batch * group * width float64s, one value per line: the sums of dy,
of dy * (x - mean) and of x - mean. `finish` turns the first two into those of dy and dy * x_hat.
"""

from numbanorm._status import MEMORY, OK
from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.along_gradient import (
    gradient,
    gradient_reading,
    line_gradient,
    tile_gradient,
)
from numbanorm.kernels.loops.far import line_products
from numbanorm.kernels.loops.statistics import (
    gradient_coefficients,
    mean_error,
    or_else,
)
from numbanorm.kernels.simd.memory import fence
from numbanorm.kernels.simd.pointers import (
    allocate,
    at,
    get,
    is_null,
    optional,
    pointer,
    put,
    release,
    rounded,
    stack_doubles,
)
from numbanorm.kernels.threads.drivers import operation
from numbanorm.kernels.threads.launch import launch
from numbanorm.kernels.tiles import along_tiles, ceil_div, claim, piece, shared_out, streams
from numbanorm.plan.tuning import CLAIM


@inlined
def line_start(view, line):
    """Return the index of the first element of line (batch, group, width)."""
    _, outer, group, width, run = view
    slots = group * width
    return (line // slots * outer * slots + line % slots) * run


@inlined
def put_totals(totals, lines, line, sums):
    """Set a line's three sums."""
    put(totals, line, sums[0])
    put(totals, lines + line, sums[1])
    put(totals, 2 * lines + line, sums[2])


@leaf
def finish(view, s, mean, rstd, weight, totals, training, dy, x):
    """Turn the sums of statistic s's lines into those of dy and dy * x_hat.

    Returns the `gradient_coefficients` of its elements.
    """
    batch, outer, group, width, run = view
    lines, count = batch * group * width, float(outer * width * run)
    mu, r = get(mean, s), get(rstd, s)
    error = 0.0
    if training:
        for line in range(s * width, (s + 1) * width):
            error += get(totals, 2 * lines + line)
        error = mean_error(error, count, mu, x)
    weighted0, weighted1 = 0.0, 0.0
    for line in range(s * width, (s + 1) * width):
        w = or_else(weight, line % (group * width), 1.0)
        s0 = get(totals, line)
        s1 = get(totals, lines + line) - error * s0
        s1 = line_products(s1, view, line, dy, x, mu, error, r)
        put(totals, lines + line, s1)
        weighted0 += w * s0
        weighted1 += w * s1
    return gradient_coefficients(mu, r, error, weighted0, weighted1, count, training, x)


@inlined
def line_slope(view, line, rstd, weight, like):
    """Return rstd * weight of a line, in x's type."""
    _, _, group, width, _ = view
    w = or_else(weight, line % (group * width), 1.0)
    return rounded(like, get(rstd, line // width) * w)


# --- sums ---------------------------------------------------------------------------------------


@leaf
def sums_worker(queue, view, args):
    """Write the three sums of every tile of every line, in order."""
    dy, x, mean, partial = args
    batch, outer, group, width, run = view
    rows, _, tiles = along_tiles(outer, run)
    step = max(1, CLAIM // max(1, rows * min(run, CLAIM)))
    sums = stack_doubles(96)
    units = batch * group * width * tiles
    first, many = claim(queue, units, step, False)
    while many > 0:
        for unit in range(first, first + many):
            line = unit // tiles
            i, mu = line_start(view, line), get(mean, line // width)
            found = tile_gradient(
                sums, at(dy, i), at(x, i), outer, group * width * run, run, unit % tiles, mu
            )
            put_totals(partial, 1, 3 * unit, found)
        first, many = claim(queue, units, step, False)


@leaf
def merge_sums(view, partial, totals):
    """Add the tiles of each line, in order."""
    batch, outer, group, width, run = view
    _, _, tiles = along_tiles(outer, run)
    lines = batch * group * width
    for line in range(lines):
        s0, s1, sx = 0.0, 0.0, 0.0
        for t in range(line * tiles, (line + 1) * tiles):
            s0 += get(partial, 3 * t)
            s1 += get(partial, 3 * t + 1)
            sx += get(partial, 3 * t + 2)
        put_totals(totals, lines, line, (s0, s1, sx))


# --- the input's gradient -------------------------------------------------------------------------


@leaf
def apply_worker(queue, view, args):
    """Write dx, last element first, by the coefficients of each statistic (`finish_all`)."""
    dx, dy, x, weight, rstd, table, training, streamed = args
    batch, outer, group, width, run = view
    slots, parts = group * width, ceil_div(run, CLAIM)
    units = batch * outer * slots * parts
    step = max(1, CLAIM // max(1, run))
    first, many = claim(queue, units, step, True)
    while many > 0:
        for unit in range(first, first + many):
            place = unit // parts
            line = place // (outer * slots) * slots + place % slots
            start, stop = piece(run, parts, unit % parts)
            e, s = place * run + start, line // width
            gradient(
                at(dx, e),
                at(dy, e),
                at(x, e),
                stop - start,
                line_slope(view, line, rstd, weight, x),
                stored(table, s, x),
                training,
                streamed,
            )
        first, many = claim(queue, units, step, True)
    if streamed:
        fence()


@inlined
def stored(table, s, like):
    """Return the coefficients that `finish_all` stored for statistic s."""
    return (
        rounded(like, get(table, 5 * s)),
        rounded(like, get(table, 5 * s + 1)),
        rounded(like, get(table, 5 * s + 2)),
        rounded(like, get(table, 5 * s + 3)),
        rounded(like, get(table, 5 * s + 4)),
    )


@leaf
def finish_all(view, mean, rstd, weight, totals, table, training, dy, x):
    """Finish every statistic and store its coefficients, five each."""
    for s in range(view[0] * view[2]):
        found = finish(view, s, mean, rstd, weight, totals, training, dy, x)
        for i in range(5):
            put(table, 5 * s + i, float(found[i]))


# --- both, while a statistic's elements are in cache ----------------------------------------------


@leaf
def backward_worker(queue, view, args):
    """Take statistics one by one: write its dx while reading the next one's elements."""
    dx, dy, x, weight, mean, rstd, totals, training, streamed = args
    batch, outer, group, width, run = view
    lines, stride = batch * group * width, group * width * run
    step = max(1, CLAIM // max(1, outer * width * run))
    sums = stack_doubles(96)
    s, many = claim(queue, batch * group, step, False)
    stop = s + many
    ready = False
    while s < batch * group:
        after = s + 1
        if after == stop:
            after, many = claim(queue, batch * group, step, False)
            stop = after + many
        if not ready:
            for line in range(s * width, (s + 1) * width):
                i, mu = line_start(view, line), get(mean, line // width)
                found = line_gradient(sums, at(dy, i), at(x, i), outer, stride, run, mu)
                put_totals(totals, lines, line, found)
        coefs = finish(view, s, mean, rstd, weight, totals, training, dy, x)
        ready = width == 1 and after < batch * group
        if ready:
            i, j = line_start(view, s), line_start(view, after)
            found = gradient_reading(
                sums,
                at(dx, i),
                at(dy, i),
                at(x, i),
                at(dy, j),
                at(x, j),
                get(mean, after),
                outer,
                stride,
                run,
                line_slope(view, s, rstd, weight, x),
                coefs,
                training,
                streamed,
            )
            put_totals(totals, lines, after, found)
        else:
            for line in range(s * width, (s + 1) * width):
                slopes = line_slope(view, line, rstd, weight, x)
                for o in range(outer):
                    i = line_start(view, line) + o * stride
                    gradient(at(dx, i), at(dy, i), at(x, i), run, slopes, coefs, training, streamed)
        s = after
    if streamed:
        fence()


@inlined
def backward_given(args):
    """Return what backward operations are given, as pointers.

    (dx, dweight, dbias, dy, x, weight, mean, rstd, training, centred): what is written comes first;
    dweight, dbias and weight may be empty, or null. If not `centred`, in rows only, x was
    normalised by its mean square, and mean is empty or null.
    """
    dx, dweight, dbias, dy, x, weight, mean, rstd, training, centred = args
    dx, dweight, dbias = pointer(dx), optional(dweight), optional(dbias)
    dy, x, weight = pointer(dy), pointer(x), optional(weight)
    return dx, dweight, dbias, dy, x, weight, optional(mean), pointer(rstd), training, centred


@leaf
def put_parameters(view, totals, dweight, dbias):
    """Write the parameters' gradients: the totals of all batch entries, added in order."""
    slots = view[2] * view[3]
    for k, sums in enumerate((dbias, dweight)):
        if not is_null(sums):
            for slot in range(slots):
                found = get(totals, k * view[0] * slots + slot)
                for b in range(1, view[0]):
                    found += get(totals, (k * view[0] + b) * slots + slot)
                put(sums, slot, found)


@operation
def backward(view, args, workers):
    """Write all gradients; see `backward_given`."""
    dx, dweight, dbias, dy, x, weight, mean, rstd, training, _ = backward_given(args)
    batch, outer, group, width, run = view
    lines, (_, _, tiles) = batch * group * width, along_tiles(outer, run)
    streamed, shared = streams(view, x), shared_out(lines, workers)
    totals = allocate(3 * lines + (0 if shared else 3 * lines * tiles + 5 * batch * group))
    if is_null(totals):
        return MEMORY
    if shared:
        args = dx, dy, x, weight, mean, rstd, totals, training, streamed
        launch(backward_worker, workers, view, args)
    else:
        partial = at(totals, 3 * lines)
        table = at(partial, 3 * lines * tiles)
        launch(sums_worker, workers, view, (dy, x, mean, partial))
        merge_sums(view, partial, totals)
        finish_all(view, mean, rstd, weight, totals, table, training, dy, x)
        launch(apply_worker, workers, view, (dx, dy, x, weight, rstd, table, training, streamed))
    put_parameters(view, totals, dweight, dbias)
    release(totals)
    return OK
