"""Calls of the norms of the table, and what they must return."""

import cases
import numpy as np

# Sums of gradients of float32 values, relative to the sum of their terms' sizes: stretches of 16
# terms, each of which may add half a unit in the last place of what there is so far. x_hat's own
# error is relative to its size, and 1/64, as y's is.
SUMS = 8 * cases.EPS[np.dtype(np.float32)]

EPS64 = cases.EPS[np.dtype(np.float64)]


def inputs(norm, case, dtype=np.float32, mean=0.5, std=2.0, which="both", seed=0):
    """Return x, dy, weight and bias (None where `which` or the norm has none)."""
    x = cases.normal(case.arranged, dtype, seed, mean, std)
    shape = norm.weight_shape(case)
    weight, bias = cases.affine(int(np.prod(shape)), dtype, which)
    weight = None if weight is None else weight.reshape(shape)
    bias = None if bias is None or norm.name == "rms" else bias.reshape(shape)
    return x, cases.normal(case.arranged, dtype, seed + 9), weight, bias


def call(norm, case, x, dy, weight, bias, eps=1e-5):
    """Return everything: y, mean, rstd, dx, dweight, dbias."""
    y, mean, rstd = forward(norm, case, x, weight, bias, eps)
    return y, mean, rstd, *norm.backward(dy, x, mean, rstd, case, weight)


def forward(norm, case, x, weight, bias, eps=1e-5, **more):
    """Return y, mean and rstd."""
    return norm.forward(x, case, weight, bias, eps, return_stats=True, **more)


def same(results, others):
    """Return whether all bits are the same."""
    return all(
        (a is None and b is None) or a.tobytes() == b.tobytes()
        for a, b in zip(results, others, strict=True)
    )


def check(norm, case, x, dy, weight, bias, eps=1e-5):
    """Compare everything with float64, or for float64 with longdouble."""
    kept = x.copy(), dy.copy()
    mean, rstd = check_forward(norm, case, x, weight, bias, eps)
    check_backward(norm, case, x, dy, mean, rstd, weight, eps)
    assert same((x, dy), kept)


def check_forward(norm, case, x, weight, bias, eps):
    """Compare y and the statistics, which it returns."""
    truth = norm.reference(case)
    wanted, x_hat, mean, var = truth.forward(x, weight, bias, eps, norm.given(case, x.dtype))
    y, got_mean, rstd = forward(norm, case, x, weight, bias, eps)
    assert y.shape == x.shape and y.dtype == x.dtype
    bound = truth.allowed(x_hat, weight, bias, x.dtype)
    deviation = np.sqrt(var + eps)
    if x.dtype == np.float64:
        # No promise for float64, whose sums have no wider type: the mean's rounding shows in units
        # of the deviation, also where x_hat is 0.
        ratio = float((np.abs(mean) / deviation).max())
        slope = np.abs(truth.weights(weight, 1))
        bound = (bound + 4 * EPS64 * slope) * (16 + 16 * ratio)
    error = np.abs(y - wanted)
    assert (error <= bound).all(), float((error / bound).max())
    assert got_mean.shape == rstd.shape == norm.stats_shape(case)
    assert got_mean.dtype == rstd.dtype == np.float64
    tolerance = cases.STATISTICS[x.dtype]
    # A mean near 0 is a sum that cancelled: its error is relative to what was summed.
    scale = np.abs(mean) + np.sqrt(var) / 100
    assert (np.abs(got_mean.ravel() - mean) <= tolerance * scale).all()
    np.testing.assert_allclose(rstd.ravel(), (1 / deviation).astype(np.float64), tolerance)
    return got_mean, rstd


def check_backward(norm, case, x, dy, mean, rstd, weight, eps):
    """Compare the gradients, for statistics as the norm returned them."""
    truth = norm.reference(case)
    found = norm.backward(dy, x, mean, rstd, case, weight)
    wanted = truth.backward(dy, x, weight, eps, norm.given(case, x.dtype))
    tolerance = cases.GRADIENT[x.dtype]
    terms = largest_terms(truth, dy, weight, rstd)
    if x.dtype == np.float64:
        allowed = tolerance * largest_dx(wanted[0], terms, rstd)
    else:
        allowed = max(tolerance * np.abs(wanted[0]).max(), 4 * EPS64 * terms)
    assert found[0].shape == x.shape and found[0].dtype == x.dtype
    assert np.abs(found[0] - wanted[0]).max() <= allowed
    usual = usual_sum(truth, dy)
    for a, b in zip(found[1:], wanted[1:], strict=True):
        if a is not None:
            assert a.shape == norm.weight_shape(case) and a.dtype == x.dtype
            error = np.abs(a.ravel() - b).max()
            assert error <= tolerance * max(np.abs(b).max(), usual)


def check_sums(norm, case, x, dy, weight, eps=1e-5):
    """Compare gradients with float64's, those of parameters relative to the sizes of all terms."""
    _, mean, rstd = forward(norm, case, x, weight, None, eps)
    dx, dweight, dbias = norm.backward(dy, x, mean, rstd, case, weight)
    truth = norm.reference(case)
    wanted = truth.backward(dy, x, weight, eps)
    x_hat = truth.forward(x, eps=eps)[1]
    assert np.abs(dx - wanted[0]).max() <= 1e-5 * np.abs(wanted[0]).max()
    sizes = np.abs(dy) * (np.abs(x_hat) + 1 / 64), np.abs(dy).astype(np.float64)
    for found, value, terms in zip((dweight, dbias), wanted[1:], sizes, strict=True):
        if found is not None:
            size = truth.slot.sums(terms)
            assert (np.abs(found.ravel() - value) <= SUMS * size).all()


def usual_sum(truth, dy):
    """Return what sums of as many terms as a weight has usually come to: sqrt(n) times one.

    Those of one or few weights may all cancel by chance.
    """
    return np.abs(dy).mean() * np.sqrt(dy.size / truth.slot.count)


def largest_terms(truth, dy, weight, rstd):
    """Return the size of the terms that dx is the sum of."""
    slope = truth.stat.spread(rstd) * truth.weights(weight, 1)
    return float(np.abs(slope).max() * np.abs(dy).max())


def largest_dx(wanted, terms, rstd):
    """Return the largest element of dx, to which errors are relative.

    Of statistics of few values dx is what is left when terms cancel, in arithmetic no wider than
    itself: below 8 values a 16th of the largest term stands in.
    """
    largest = float(np.abs(wanted).max())
    return largest if wanted.size // rstd.size >= 8 else max(largest, terms / 16)
