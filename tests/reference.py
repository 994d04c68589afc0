"""The norms in NumPy, written as the formulas stand and in a wider type than the input's.

float32 input is worked on in float64; float64 input in `numpy.longdouble`, which on x86 has 11 more
bits. Results stay in the wide type: a test rounds them, or not. Ioffe and Szegedy, "Batch
Normalization", 2015, has the formulas.
"""

import numpy as np


def rows(x, layout):
    """Return x as a wide, contiguous (C, values per channel) array."""
    x = np.asarray(x)
    wide = np.longdouble if x.dtype == np.float64 else np.float64
    axis = 1 if layout == "NCHW" else x.ndim - 1
    moved = np.moveaxis(x, axis, 0)
    return np.ascontiguousarray(moved.reshape(moved.shape[0], -1), dtype=wide)


def unrows(r, shape, layout):
    """Return (C, values per channel) in the shape that `rows` took it from."""
    axis = 1 if layout == "NCHW" else len(shape) - 1
    moved = [shape[axis], *shape[:axis], *shape[axis + 1 :]]
    return np.moveaxis(r.reshape(moved), 0, axis)


def column(values, like, default):
    """Return one value per channel as a (C, 1) array; None is the default for all."""
    if values is None:
        return np.full((like.shape[0], 1), default, like.dtype)
    return np.asarray(values, like.dtype)[:, None]


def centred_rows(r):
    """Return the mean of every row, and the row less its mean; the mean is taken twice.

    The second mean, of the differences, takes away what rounding left in the first.
    """
    mean = r.mean(axis=1, keepdims=True)
    mean = mean + (r - mean).mean(axis=1, keepdims=True)
    return mean, r - mean


def channel_mean_var(x, layout, correction=0):
    """Return mean (C,) and variance (C,), the sum of squares divided by n - correction."""
    r = rows(x, layout)
    mean, deviation = centred_rows(r)
    return mean[:, 0], (deviation * deviation).sum(axis=1) / (r.shape[1] - correction)


def channel_normalize(x, mean, std, layout):
    """Return (x - mean) / std."""
    r = rows(x, layout)
    return unrows((r - column(mean, r, 0)) / column(std, r, 1), np.shape(x), layout)


def batch_norm(x, weight=None, bias=None, eps=1e-5, layout="NCHW", mean=None, var=None):
    """Return (y, x_hat, mean, var); a mean and variance given are those of eval mode."""
    r = rows(x, layout)
    if mean is None:
        found, deviation = centred_rows(r)
        mean, var = found[:, 0], (deviation * deviation).mean(axis=1)
    else:
        mean, var = np.asarray(mean, r.dtype), np.asarray(var, r.dtype)
        deviation = r - mean[:, None]
    x_hat = deviation / np.sqrt(var + r.dtype.type(eps))[:, None]
    y = x_hat * column(weight, r, 1) + column(bias, r, 0)
    return unrows(y, np.shape(x), layout), unrows(x_hat, np.shape(x), layout), mean, var


def running(mean, var, x, layout, momentum):
    """Return the running mean and (unbiased) variance after one training call."""
    batch_mean, batch_var = channel_mean_var(x, layout, correction=1)
    momentum = batch_mean.dtype.type(momentum)
    return (
        (1 - momentum) * np.asarray(mean) + momentum * batch_mean,
        (1 - momentum) * np.asarray(var) + momentum * batch_var,
    )


def batch_norm_backward(dy, x, weight=None, eps=1e-5, layout="NCHW", mean=None, var=None):
    """Return (dx, dweight, dbias); a mean and variance given are constants, those of eval mode."""
    training = mean is None
    _, x_hat, mean, var = batch_norm(x, None, None, eps, layout, mean, var)
    wide_dy, x_hat = rows(np.asarray(dy), layout).astype(var.dtype), rows(x_hat, layout)
    x_hat = x_hat.astype(var.dtype)
    rstd = (1 / np.sqrt(var + var.dtype.type(eps)))[:, None]
    dbias, dweight = wide_dy.sum(axis=1), (wide_dy * x_hat).sum(axis=1)
    dx = wide_dy
    if training:
        n = wide_dy.shape[1]
        dx = dx - dbias[:, None] / n - x_hat * dweight[:, None] / n
    dx = dx * rstd * column(weight, wide_dy, 1)
    return unrows(dx, np.shape(x), layout), dweight, dbias


class Parts:
    """Any norm: `stat` and `slot` number the statistic and the weight of every element of x."""

    def __init__(self, stat, slot):
        self.order = np.argsort(stat, axis=None, kind="stable")
        self.count = int(stat.max()) + 1
        self.slot = slot.ravel()[self.order].reshape(self.count, -1)
        self.shape = stat.shape

    def rows(self, x):
        """Return x, wide, as (statistics, elements of one)."""
        wide = np.longdouble if x.dtype == np.float64 else np.float64
        return x.ravel()[self.order].reshape(self.count, -1).astype(wide)

    def unrows(self, r):
        """Return rows in the shape that they were taken from."""
        x = np.empty(r.size, r.dtype)
        x[self.order] = r.ravel()
        return x.reshape(self.shape)

    def parameter(self, values, like, default):
        """Return the weight, or the bias, of every element."""
        if values is None:
            return np.full(self.slot.shape, default, like.dtype)
        return np.asarray(values, like.dtype).ravel()[self.slot]

    def statistics(self, r, centred):
        """Return x less its mean, that mean, and the variance, or the mean square."""
        mean, deviation = centred_rows(r) if centred else (np.zeros((len(r), 1), r.dtype), r)
        return deviation, mean[:, 0], (deviation * deviation).mean(axis=1)

    def norm(self, x, weight, bias, eps, centred=True):
        """Return (y, x_hat, mean, var)."""
        r = self.rows(x)
        deviation, mean, var = self.statistics(r, centred)
        x_hat = deviation / np.sqrt(var + r.dtype.type(eps))[:, None]
        y = x_hat * self.parameter(weight, r, 1) + self.parameter(bias, r, 0)
        return self.unrows(y), self.unrows(x_hat), mean, var

    def backward(self, dy, x, weight, eps, centred=True):
        """Return (dx, dweight, dbias)."""
        r, g = self.rows(x), self.rows(dy)
        deviation, _, var = self.statistics(r, centred)
        rstd = 1 / np.sqrt(var + r.dtype.type(eps))[:, None]
        x_hat, wide = deviation * rstd, g * self.parameter(weight, r, 1)
        dx = wide - x_hat * (wide * x_hat).mean(axis=1, keepdims=True)
        if centred:
            dx -= wide.mean(axis=1, keepdims=True)
        return self.unrows(dx * rstd), self.sums(g * x_hat), self.sums(g)

    def sums(self, r):
        """Return the sum of the elements that share a weight."""
        order = np.argsort(self.slot, axis=None, kind="stable")
        return r.ravel()[order].reshape(int(self.slot.max()) + 1, -1).sum(axis=1)
