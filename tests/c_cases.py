"""Every C function beside the Python function that does the same, and what to expect of it.

A case is a function of (x, layout, inputs) that returns (name, arguments, written, wanted):
`written` are the arrays among the arguments that C writes, `wanted` what Python gives for them.
"""

import c_api
import cases
import numpy as np

import numbanorm as nbn

EPS = 1e-5


def sizes(x, layout):
    """x has three axes: (n, channels, spatial) or (n, spatial, channels)."""
    n, a, b = x.shape
    return (n, a, b) if layout == "NCHW" else (n, b, a)


def images(x, layout):
    return x, c_api.LAYOUTS[layout], *sizes(x, layout)


class Inputs:
    """Random arrays; parameters that are named `missing` are None, as to NumPy so to C."""

    def __init__(self, seed, missing=()):
        self._rng, self._missing = np.random.default_rng(seed), missing

    def draw(self, count, dtype, least=0.5):
        return self._rng.uniform(least, 2, count).astype(dtype)

    def parameters(self, count, dtype):
        """Return a weight and a bias for an x of this dtype."""
        drawn = [self.draw(count, cases.computed(dtype)) for _ in range(2)]
        return [None if n in self._missing else a for n, a in zip(("weight", "bias"), drawn)]


def batch_train(x, layout, inputs):
    return _train(x, layout, inputs, "batch_norm_train", nbn.batch_norm, lambda n, c: c)


def instance_train(x, layout, inputs):
    return _train(x, layout, inputs, "instance_norm_train", nbn.instance_norm, lambda n, c: n * c)


def _train(x, layout, inputs, name, function, found):
    n, c, _ = sizes(x, layout)
    weight, bias = inputs.parameters(c, x.dtype)
    kind = cases.computed(x.dtype)
    mean, var = inputs.draw(c, kind), inputs.draw(c, kind)
    y, saved_mean, saved_rstd = np.empty_like(x), *np.empty((2, found(n, c)))
    args = y, *images(x, layout), weight, bias, mean, var, 0.3, EPS, saved_mean, saved_rstd
    wanted_mean, wanted_var = mean.copy(), var.copy()
    results = function(
        x, wanted_mean, wanted_var, weight, bias, True, 0.3, EPS, layout=layout, return_stats=True
    )
    written = y, saved_mean, saved_rstd, mean, var
    return name, args, written, (*results, wanted_mean, wanted_var)


def infer(x, layout, inputs, name="batch_norm_infer"):
    _, c, _ = sizes(x, layout)
    weight, bias = inputs.parameters(c, x.dtype)
    kind = cases.computed(x.dtype)
    mean, var = inputs.draw(c, kind), inputs.draw(c, kind)
    y = np.empty_like(x)
    args = y, *images(x, layout), weight, bias, mean, var, EPS
    return name, args, (y,), (nbn.batch_norm(x, mean, var, weight, bias, layout=layout),)


def instance_infer(x, layout, inputs):
    return infer(x, layout, inputs, "instance_norm_infer")


def groups_of(channels):
    return next(g for g in (3, 2, 1) if channels % g == 0)


def group(x, layout, inputs):
    n, c, _ = sizes(x, layout)
    (weight, bias), g = inputs.parameters(c, x.dtype), groups_of(c)
    y, mean, rstd = np.empty_like(x), *np.empty((2, n * g))
    args = y, *images(x, layout), g, weight, bias, EPS, mean, rstd
    wanted = nbn.group_norm(x, g, weight, bias, EPS, layout=layout, return_stats=True)
    return "group_norm", args, (y, mean, rstd), wanted


def batch_backward(x, layout, inputs, training=True):
    _, c, _ = sizes(x, layout)
    mean, rstd = inputs.draw(c, float), inputs.draw(c, float)
    given = mean, rstd, inputs.parameters(c, x.dtype)[0], training
    return _backward(x, layout, inputs, "batch_norm_backward", nbn.batch_norm_backward, given)


def batch_backward_infer(x, layout, inputs):
    return batch_backward(x, layout, inputs, False)


def instance_backward(x, layout, inputs):
    n, c, _ = sizes(x, layout)
    mean, rstd = inputs.draw((n, c), float), inputs.draw((n, c), float)
    given = mean, rstd, inputs.parameters(c, x.dtype)[0], True
    return _backward(x, layout, inputs, "instance_norm_backward", nbn.instance_norm_backward, given)


def _backward(x, layout, inputs, name, function, given):
    mean, rstd, weight, training = given
    dy, dx = inputs.draw(x.shape, x.dtype, -2), np.empty_like(x)
    dweight, dbias = np.empty((2, sizes(x, layout)[1]), cases.computed(x.dtype))
    args = dx, dweight, dbias, dy, *images(x, layout), weight, mean, rstd, int(training)
    return name, args, args[:3], function(dy, x, *given, layout=layout)


def group_backward(x, layout, inputs):
    n, c, _ = sizes(x, layout)
    g = groups_of(c)
    mean, rstd = inputs.draw((n, g), float), inputs.draw((n, g), float)
    weight, _ = inputs.parameters(c, x.dtype)
    dy, dx = inputs.draw(x.shape, x.dtype, -2), np.empty_like(x)
    dweight, dbias = np.empty((2, c), cases.computed(x.dtype))
    args = dx, dweight, dbias, dy, *images(x, layout), g, weight, mean, rstd
    wanted = nbn.group_norm_backward(dy, x, mean, rstd, g, weight, layout=layout)
    return "group_norm_backward", args, args[:3], wanted


def rows(x):
    return x.shape[0] * x.shape[1], x.shape[2]


def layer(x, layout, inputs):
    count, size = rows(x)
    weight, bias = inputs.parameters(size, x.dtype)
    y, mean, rstd = np.empty_like(x), *np.empty((2, count))
    args = y, x, count, size, weight, bias, EPS, mean, rstd
    wanted = nbn.layer_norm(x, size, weight, bias, EPS, return_stats=True)
    return "layer_norm", args, (y, mean, rstd), wanted


def rms(x, layout, inputs):
    count, size = rows(x)
    weight, _ = inputs.parameters(size, x.dtype)
    y, rstd = np.empty_like(x), np.empty(count)
    wanted = nbn.rms_norm(x, size, weight, EPS, return_stats=True)
    return "rms_norm", (y, x, count, size, weight, EPS, rstd), (y, rstd), wanted


def layer_backward(x, layout, inputs):
    count, size = rows(x)
    mean, rstd = inputs.draw((*x.shape[:2], 1), float), inputs.draw((*x.shape[:2], 1), float)
    weight, _ = inputs.parameters(size, x.dtype)
    dy, dx = inputs.draw(x.shape, x.dtype, -2), np.empty_like(x)
    dweight, dbias = np.empty((2, size), cases.computed(x.dtype))
    args = dx, dweight, dbias, dy, x, count, size, weight, mean, rstd
    wanted = nbn.layer_norm_backward(dy, x, mean, rstd, size, weight)
    return "layer_norm_backward", args, args[:3], wanted


def rms_backward(x, layout, inputs):
    count, size = rows(x)
    rstd, dy = inputs.draw((*x.shape[:2], 1), float), inputs.draw(x.shape, x.dtype, -2)
    weight, _ = inputs.parameters(size, x.dtype)
    dx, dweight = np.empty_like(x), np.empty(size, cases.computed(x.dtype))
    args = dx, dweight, dy, x, count, size, weight, rstd
    return "rms_norm_backward", args, args[:2], nbn.rms_norm_backward(dy, x, rstd, size, weight)


def mean_var(x, layout, inputs):
    _, c, _ = sizes(x, layout)
    mean, var = np.empty((2, c))
    args = mean, var, *images(x, layout), 1.0
    return "channel_mean_var", args, args[:2], nbn.channel_mean_var(x, layout=layout, correction=1)


def normalize(x, layout, inputs):
    _, c, _ = sizes(x, layout)
    mean, std, y = inputs.draw(c, float), inputs.draw(c, float), np.empty_like(x)
    args = y, *images(x, layout), mean, std
    return "channel_normalize", args, (y,), (nbn.channel_normalize(x, mean, std, layout=layout),)


CASES = (
    batch_train,
    infer,
    batch_backward,
    batch_backward_infer,
    instance_train,
    instance_infer,
    instance_backward,
    group,
    group_backward,
    layer,
    layer_backward,
    rms,
    rms_backward,
    mean_var,
    normalize,
)
