"""The norms in NumPy, written as the formulas stand and in a wider type than the input's.

float32 input is worked on in float64; float64 input in `numpy.longdouble`, which on x86 has 11 more
bits. Results stay in the wide type: a test rounds them, or not. Ioffe and Szegedy, "Batch
Normalization", 2015, has the formulas.
"""

from functools import cached_property

import numpy as np


def wide(x):
    """Return x in the wider type."""
    x = np.asarray(x)
    return x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)


class Parts:
    """The elements of x in parts of one size, such as channels: `number` says whose each one is."""

    def __init__(self, number):
        self.number = number
        self.count = int(number.max()) + 1

    @cached_property
    def order(self):
        """The indices of the elements, part by part."""
        return np.argsort(self.number, axis=None, kind="stable")

    def rows(self, x):
        """Return the elements of x as (parts, elements of one)."""
        return x.ravel()[self.order].reshape(self.count, -1)

    def means(self, x):
        """Return the mean of each part."""
        return self.rows(x).mean(axis=1)

    def sums(self, x):
        """Return the sum of each part."""
        return self.rows(x).sum(axis=1)

    def spread(self, values):
        """Return for every element of x the value of its part."""
        return values.ravel()[self.number]


class Reference:
    """A norm: `stat` and `slot` number the statistic and the weight of every element of x.

    Unless it is centred, its mean is 0 and its variance the mean square. A pair `given`, the mean
    and the variance, stands in for x's own, and is constant in the gradients: that is inference.
    """

    def __init__(self, stat, slot, centred=True):
        self.stat, self.slot, self.centred = Parts(stat), Parts(slot), centred

    def statistics(self, x, given=None, correction=0):
        """Return x, wide, less its mean, that mean, and the squares' sum over n - correction."""
        x = wide(x)
        if given is not None:
            mean, var = (np.asarray(a, x.dtype) for a in given)
            return x - self.stat.spread(mean), mean, var
        mean = np.zeros(self.stat.count, x.dtype)
        if self.centred:
            mean = self.stat.means(x)
            # The mean of the differences takes away what rounding left in the first.
            mean = mean + self.stat.means(x - self.stat.spread(mean))
        deviation = x - self.stat.spread(mean)
        count = x.size // self.stat.count
        return deviation, mean, self.stat.sums(deviation * deviation) / (count - correction)

    def weights(self, values, default):
        """Return the weight, or the bias, of every element."""
        if values is None:
            return np.full(self.slot.number.shape, default, np.float64)
        return self.slot.spread(np.asarray(values, np.float64))

    def forward(self, x, weight=None, bias=None, eps=1e-5, given=None):
        """Return (y, x_hat, mean, var)."""
        deviation, mean, var = self.statistics(x, given)
        x_hat = deviation / self.stat.spread(np.sqrt(var + var.dtype.type(eps)))
        return x_hat * self.weights(weight, 1) + self.weights(bias, 0), x_hat, mean, var

    def backward(self, dy, x, weight=None, eps=1e-5, given=None):
        """Return (dx, dweight, dbias)."""
        _, x_hat, _, var = self.forward(x, eps=eps, given=given)
        dy, mean = wide(dy), lambda values: self.stat.spread(self.stat.means(values))
        dx = slope = dy * self.weights(weight, 1)
        if given is None:
            dx = dx - x_hat * mean(slope * x_hat)
            if self.centred:
                dx = dx - mean(slope)
        dx = dx / self.stat.spread(np.sqrt(var + var.dtype.type(eps)))
        return dx, self.slot.sums(dy * x_hat), self.slot.sums(dy)

    def running(self, mean, var, x, momentum):
        """Return the running mean and (unbiased) variance after one call in training.

        Where each sample has statistics of its own, their average counts.
        """
        _, *found = self.statistics(x, correction=1)
        momentum = found[0].dtype.type(momentum)
        return [
            (1 - momentum) * wide(old) + momentum * new.reshape(-1, len(old)).mean(axis=0)
            for old, new in zip((mean, var), found)
        ]

    def allowed(self, x_hat, weight, bias, dtype):
        """Return the error DESIGN.md 3 allows in y: 4 eps (|w| (|x_hat| + 1/64) + |bias|).

        Half a spacing of y is added where y is so small that its type has no such precision there.
        """
        w, b = np.abs(self.weights(weight, 1)), np.abs(self.weights(bias, 0))
        limits = np.finfo(dtype)
        allowed = 4 * limits.eps.astype(np.float64) * (w * (np.abs(x_hat) + 1 / 64) + b)
        return allowed + x_hat.dtype.type(limits.smallest_subnormal) / 2


def channel_indices(shape, layout):
    """Return the sample and the channel of every element."""
    indices = np.indices(shape, sparse=True)
    sample = np.broadcast_to(indices[0], shape)
    return sample, np.broadcast_to(indices[1 if layout == "NCHW" else -1], shape)


def by_channel(x, layout="NCHW"):
    """Return batch norm for arrays like x."""
    _, channel = channel_indices(np.shape(x), layout)
    return Reference(channel, channel)


def channel_mean_var(x, layout, correction=0):
    """Return mean (C,) and variance (C,), the sum of squares divided by n - correction."""
    return by_channel(x, layout).statistics(x, correction=correction)[1:]


def channel_normalize(x, mean, std, layout):
    """Return (x - mean) / std."""
    spread = by_channel(x, layout).stat.spread
    return (wide(x) - spread(wide(mean))) / spread(wide(std))
