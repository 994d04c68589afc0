"""The table of norms: what each shares a statistic and a weight between, and how it is called.

A new norm is a new row. `test_*_norm.py` and the tests of all norms take their cases from here.
"""

import cases
import numpy as np
from hypothesis import strategies as st
from norm_row import Norm
from reference import channel_indices

import numbanorm as nbn


class Batch(Norm):
    """In training, by the batch's statistics."""

    name = "batch"
    shapes = tuple((shape, {}) for shape in cases.SMALL)
    large = tuple((shape, {}) for shape in cases.LARGE)

    def parts(self, case):
        _, channel = channel_indices(case.arranged, case.layout)
        return channel, channel

    def stats_shape(self, case):
        return (case.shape[1],)

    def keywords(self, case):
        return super().keywords(case) | {"training": True}

    def torch(self, tensor, case, weight=None, bias=None, eps=1e-5, **more):
        import torch

        given = {"running_mean": None, "running_var": None, "training": True}
        given |= {"weight": weight, "bias": bias, "eps": eps} | more
        return torch.nn.functional.batch_norm(tensor, **given)


class Inference(Batch):
    """Batch norm by running statistics: no norm of its own, and no row of the table."""

    def given(self, case, dtype):
        return cases.running_arrays(case.shape[1], dtype)

    def keywords(self, case):
        return super().keywords(case) | {"training": False}

    def forward(self, x, case, *parameters, **more):
        given = dict(zip(("running_mean", "running_var"), self.given(case, x.dtype)))
        return super().forward(x, case, *parameters, **given | more)

    def torch(self, tensor, case, *parameters):
        import torch

        mean, var = map(torch.from_numpy, self.given(case, tensor.detach().numpy().dtype))
        given = {"running_mean": mean, "running_var": var, "training": False}
        return super().torch(tensor, case, *parameters, **given)


class Instance(Norm):
    name = "instance"
    shapes = (
        ((1, 1, 2), {}),  # the least there is
        ((2, 3, 7), {}),
        ((3, 5, 1, 2), {}),
        ((17, 37, 7, 7), {}),  # rows of 49 in blocks of 16, the last one short
        ((33, 16, 3), {}),  # rows of 3: shorter than a vector, in blocks across samples' ends
        ((4, 40, 14, 14), {}),
        ((2, 3, 91, 97), {}),  # one row of 8827: longer than one tile of 8192
        ((5, 257, 3, 3), {}),
        ((2, 600, 10, 10), {}),  # NHWC: rows of 600, no longer folded
        ((2, 3, 4, 5, 6), {}),
        ((3, 4, 2, 1, 3, 2), {}),
    )
    large = (
        ((9, 64, 56, 56), {}),
        ((7, 601, 23, 17), {}),
        ((64, 700, 7, 7), {}),
        ((1, 3, 607, 601), {}),
    )

    def allows(self, shape):
        return np.prod(shape[2:]) > 1

    def parts(self, case):
        sample, channel = channel_indices(case.arranged, case.layout)
        return sample * case.shape[1] + channel, channel

    def stats_shape(self, case):
        return case.shape[:2]

    def torch(self, tensor, case, weight=None, bias=None, eps=1e-5, **more):
        import torch

        given = {"weight": weight, "bias": bias, "eps": eps} | more
        return torch.nn.functional.instance_norm(tensor, **given)


class Group(Norm):
    name = "group"
    shapes = (
        ((2, 1), {"num_groups": 1}),  # one value per group, but two in all: y is bias
        ((3, 6), {"num_groups": 2}),  # no spatial axes: rows with a weight per element
        ((33, 96), {"num_groups": 4}),
        ((2, 6, 7), {"num_groups": 6}),  # instance norm
        ((2, 6, 7), {"num_groups": 1}),  # layer norm, with a weight per channel
        ((5, 12, 5, 5), {"num_groups": 4}),
        ((4, 35, 7, 7), {"num_groups": 5}),
        ((3, 64, 14, 14), {"num_groups": 32}),
        ((2, 10, 61, 67), {"num_groups": 2}),  # groups of 20435: several tiles, which cut channels
        ((2, 34, 3), {"num_groups": 17}),
        ((2, 258, 2, 2), {"num_groups": 2}),
        ((2, 640, 9, 9), {"num_groups": 2}),
        ((2, 6, 4, 5, 6), {"num_groups": 3}),
        ((3, 130, 2), {"num_groups": 13}),  # NHWC: two rows only
    )
    large = (
        ((9, 64, 56, 56), {"num_groups": 8}),
        ((7, 606, 23, 17), {"num_groups": 6}),
        ((64, 704, 7, 7), {"num_groups": 32}),
        ((1, 4, 601, 607), {"num_groups": 2}),
    )

    def options(self, shape):
        divisors = [g for g in range(1, shape[1] + 1) if shape[1] % g == 0]
        return st.sampled_from([{"num_groups": g} for g in divisors])

    def parts(self, case):
        sample, channel = channel_indices(case.arranged, case.layout)
        groups = case.options["num_groups"]
        return sample * groups + channel // (case.shape[1] // groups), channel

    def stats_shape(self, case):
        return case.shape[0], case.options["num_groups"]

    def arguments(self, case):
        return (case.options["num_groups"],)

    def torch(self, tensor, case, weight=None, bias=None, eps=1e-5):
        import torch

        groups = case.options["num_groups"]
        return torch.nn.functional.group_norm(tensor, groups, weight, bias, eps)


class Layer(Norm):
    name = "layer"
    layouts = ("NCHW",)
    shapes = (
        ((1,), {"axes": 1}),  # a row of one value: y is bias
        ((3, 1), {"axes": 1}),
        ((5, 2), {"axes": 1}),
        ((17, 15), {"axes": 1}),  # one less than a vector
        ((33, 16), {"axes": 1}),
        ((2, 16, 33), {"axes": 1}),  # 32 rows: two blocks; a vector, twice, and one
        ((2, 3, 5, 7), {"axes": 3}),
        ((4, 5, 7), {"axes": 2}),
        ((19, 100), {"axes": 1}),
        ((3, 768), {"axes": 1}),
        ((7, 1000), {"axes": 1}),
        ((3, 8193), {"axes": 1}),  # a tile and one value
        ((2, 3, 65, 1031), {"axes": 2}),  # 67015: several tiles
    )
    large = (
        ((2051, 768), {"axes": 1}),
        ((40_000, 17), {"axes": 1}),
        ((1, 1_100_003), {"axes": 1}),  # one row for all threads
        ((3, 400_001), {"axes": 1}),
        ((131, 8200), {"axes": 1}),
    )

    def options(self, shape):
        return st.sampled_from([{"axes": k} for k in range(1, min(3, len(shape)) + 1)])

    def parts(self, case):
        size = int(np.prod(self.weight_shape(case)))
        number = np.arange(int(np.prod(case.shape))).reshape(case.shape)
        return number // size, number % size

    def weight_shape(self, case):
        return case.shape[len(case.shape) - case.options["axes"] :]

    def stats_shape(self, case):
        axes = case.options["axes"]
        return case.shape[: len(case.shape) - axes] + (1,) * axes

    def arguments(self, case):
        return (self.weight_shape(case),)

    def keywords(self, case):
        return {}

    def torch(self, tensor, case, weight=None, bias=None, eps=1e-5):
        import torch

        shape = self.weight_shape(case)
        return torch.nn.functional.layer_norm(tensor, shape, weight, bias, eps)


class RMS(Layer):
    name = "rms"
    centred = False

    def forward(self, x, case, weight=None, bias=None, eps=1e-5, **more):
        found = nbn.rms_norm(x, self.weight_shape(case), weight, eps, **more)
        if not more.get("return_stats"):
            return found
        return found[0], np.zeros_like(found[1]), found[1]

    def backward(self, dy, x, mean, rstd, case, weight=None, **more):
        dx, dweight = nbn.rms_norm_backward(dy, x, rstd, self.weight_shape(case), weight, **more)
        return dx, dweight, None

    def torch(self, tensor, case, weight=None, bias=None, eps=1e-5):
        import torch

        return torch.nn.functional.rms_norm(tensor, self.weight_shape(case), weight, eps)


NORMS = {norm.name: norm for norm in (Batch(), Instance(), Group(), Layer(), RMS())}
INFERENCE = Inference()
