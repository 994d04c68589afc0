"""The coefficients of columns, as arrays: scale, offset, rest, slope and bias, `room` apart."""

from numbanorm.kernels.compile.options import inlined, leaf
from numbanorm.kernels.loops.statistics import coefficients, or_else, reciprocal_deviation
from numbanorm.kernels.simd.memory import lanes, load, load_sum, store
from numbanorm.kernels.simd.pointers import at, get, is_null, put, stack_like
from numbanorm.kernels.simd.vec import all_above, narrow, root, splat, splat_wide, widen


@inlined
def fill(p, n, value):
    """Set n elements, and up to a vector more, to a value of p's type."""
    v = splat(value)
    for i in range(0, n, lanes(p)):
        store(at(p, i), v)


@leaf
def fill_coefficients(coefs, room, view, s, first, n, fold, mean, var, eps, weight, bias):
    """Write the coefficients of n columns from `first` on, `fold` times and a vector more.

    The columns are those of batch entry s; mean and var hold (batch, group) values.
    """
    _, _, group, width, run = view
    line, stop = first // run, (first + n) // run
    means, variances = stack_like(16, mean), stack_like(16, var)
    while line < stop:
        i, here = s * group + line // width, at(coefs, line * run - first)
        if run == 1 and line + lanes(coefs) <= stop:
            m, v = at(mean, i), at(var, i)
            if width > 1:
                for k in range(lanes(coefs)):
                    j = s * group + (line + k) // width
                    put(means, k, get(mean, j))
                    put(variances, k, get(var, j))
                m, v = means, variances
            if fill_vector(here, room, m, v, eps, weight, bias, line):
                line += lanes(coefs)
                continue
        rstd = reciprocal_deviation(get(var, i), eps, coefs)
        weighted, biased = or_else(weight, line, 1.0), or_else(bias, line, 0.0)
        values = coefficients(get(mean, i), rstd, weighted, biased, coefs)
        for k in range(5):
            fill(at(here, k * room), run, values[k])
        line += 1
    repeat(coefs, 5, room, n, n * fold + lanes(coefs))


@inlined
def fill_vector(coefs, room, mean, var, eps, weight, bias, line):
    """Write the coefficients of a vector of columns, if all are ordinary; else return False.

    The arithmetic is that of `reciprocal_deviation` and `coefficients`, lane by lane.
    """
    one, zero = splat_wide(1.0, coefs), splat_wide(0.0, coefs)
    w = one if is_null(weight) else load_sum(at(weight, line), coefs)
    b = zero if is_null(bias) else load_sum(at(bias, line), coefs)
    rstd = one / root(load_sum(var, coefs) + splat_wide(eps, coefs))
    slopes = rstd * w
    size, low = slopes * slopes, splat_wide(2.0**-180, coefs)
    high, lowest = splat_wide(2.0**180, coefs), splat_wide(2.0**-60, coefs)
    ordinary = all_above(rstd, lowest) and all_above(splat_wide(2.0**60, coefs), rstd)
    centre = load_sum(mean, coefs)
    ordinary = ordinary and all_above(splat_wide(2.0**250, coefs), centre * centre)
    if not (ordinary and all_above(size, low) and all_above(high, size)):
        return False
    near = narrow(centre, coefs)
    store(coefs, narrow(one, coefs))
    store(at(coefs, room), narrow(zero - widen(near), coefs))
    store(at(coefs, 2 * room), narrow(centre - widen(near), coefs))
    store(at(coefs, 3 * room), narrow(slopes, coefs))
    store(at(coefs, 4 * room), narrow(b, coefs))
    return True


@inlined
def repeat(p, arrays, room, n, stop):
    """Continue the first n elements of each array periodically up to `stop`."""
    step = lanes(p)
    for k in range(arrays):
        here = at(p, k * room)
        whole = stop - (stop - n) % step if n >= step else n
        for i in range(n, whole, step):
            store(at(here, i), load(at(here, i - n)))
        for i in range(whole, stop):
            put(here, i, get(here, i - n))
