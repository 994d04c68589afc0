"""From the sums of lines to gradients: of parameters, and what is needed for the input's.

`totals` is described in `backward_along`; `table` has five `gradient_coefficients` per statistic.
"""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.coefficients import keep_coefficients, kept_coefficients
from numbanorm.kernels.loops.far import line_products
from numbanorm.kernels.loops.statistics import gradient_coefficients, mean_error, or_else
from numbanorm.kernels.simd.pointers import at, get, is_null, put, rounded


@inlined
def put_totals(totals, lines, line, sums):
    """Set a line's three sums."""
    put(totals, line, sums[0])
    put(totals, lines + line, sums[1])
    put(totals, 2 * lines + line, sums[2])


@leaf
def finish(view, s, forward, totals, table, dy):
    """Turn the sums of statistic s's lines into those of dy and dy * x_hat.

    Writes the `gradient_coefficients` of its elements to its place in the table.
    """
    x, weight, mean, rstd, training, _ = forward
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
    found = gradient_coefficients(mu, r, error, weighted0, weighted1, count, training, x)
    keep_coefficients(table, s, found)


@leaf
def finish_all(view, forward, totals, table, dy):
    """Finish every statistic."""
    for s in range(view[0] * view[2]):
        finish(view, s, forward, totals, table, dy)


@inlined
def input_coefficients(view, forward, table, line, like):
    """Return a line's slope, rstd * weight, and its statistic's coefficients, in x's type."""
    _, _, group, width, _ = view
    s, weight = line // width, or_else(forward.weight, line % (group * width), 1.0)
    slope = rounded(like, get(forward.rstd, s) * weight)
    scale, offset, rest, factor, constant = kept_coefficients(table, s, like)
    return slope, scale, offset, rest, factor, constant


@leaf
def put_parameters(view, totals, to):
    """Write the parameters' gradients: the totals of all batch entries, added in order."""
    put_sums(to.dbias, totals, view, 0)
    put_sums(to.dweight, totals, view, 1)


@inlined
def put_sums(gradient, totals, view, k):
    """Write the gradient of one parameter, whose sums are the k-th."""
    batch, slots = view[0], view[2] * view[3]
    if not is_null(gradient):
        sums = at(totals, k * batch * slots)
        for slot in range(slots):
            found = get(sums, slot)
            for b in range(1, batch):
                found += get(sums, b * slots + slot)
            put(gradient, slot, found)
