"""The modules that tests of numbanorm.torch try, beside torch's own, and what they share."""

import warnings
from typing import NamedTuple

import torch

import numbanorm.torch as nt


def normal(shape, seed):
    """Return random float32 numbers, whatever else is drawn, and whatever the default dtype."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float32)


class Case(NamedTuple):
    """A module and an input's shape; sizes are odd, so that vectors have remainders."""

    name: str
    arguments: tuple
    shape: tuple
    keywords: dict = {}  # noqa: RUF012

    def __str__(self):
        return f"{self.name}-{'x'.join(map(str, self.shape))}"

    def make(self, namespace):
        return getattr(namespace, self.name)(*self.arguments, **self.keywords)

    def x(self, dtype=torch.float32, seed=0):
        return normal(self.shape, seed).to(dtype)


RUNNING = {"affine": True, "track_running_stats": True}
CASES = [
    Case("BatchNorm1d", (6,), (13, 6)),  # planes of one value
    Case("BatchNorm1d", (6,), (4, 6, 11)),
    Case("BatchNorm2d", (6,), (3, 6, 5, 7)),
    Case("BatchNorm3d", (3,), (2, 3, 4, 5, 3)),
    Case("InstanceNorm1d", (6,), (4, 6, 11), RUNNING),
    Case("InstanceNorm2d", (6,), (3, 6, 5, 7), RUNNING),
    Case("InstanceNorm3d", (3,), (2, 3, 4, 5, 3), {"affine": True}),
    Case("GroupNorm", (2, 6), (3, 6, 5, 7)),
    Case("GroupNorm", (2, 6), (13, 6)),
    Case("LayerNorm", ((5, 7),), (3, 6, 5, 7)),
    Case("LayerNorm", (17,), (9, 17)),
    Case("RMSNorm", (7,), (3, 6, 5, 7)),
]
# One of each kind.
FEW = [CASES[index] for index in (2, 5, 7, 9, 11)]

TOLERANCES = {
    torch.float64: {"rtol": 1e-11, "atol": 1e-11},
    torch.float32: {"rtol": 2e-5, "atol": 2e-5},
    # A few roundings each, of 11 and 8 bits.
    torch.float16: {"rtol": 4e-3, "atol": 4e-3},
    torch.bfloat16: {"rtol": 3e-2, "atol": 3e-2},
}


def close(got, wanted, dtype=None):
    """Check a tensor, or None, against what it should be, of whatever dtype that is."""
    if got is None or wanted is None:
        assert got is None and wanted is None
        return
    tolerances = TOLERANCES[dtype or got.dtype]
    torch.testing.assert_close(got, wanted, check_dtype=False, equal_nan=True, **tolerances)


def randomize(module, seed=1):
    """Give a module parameters and running statistics that are not those of a new one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point() and not tensor.is_meta:
                tensor.uniform_(0.5, 1.5, generator=generator)
    return module


def pair(case, dtype=torch.float32):
    """Return a module of numbanorm's and one of torch's that have the same state."""
    return tuple(randomize(case.make(one)).to(dtype) for one in (nt, torch.nn))


def gradients(module, x, dy=None, dtype=None):
    """Return a module's y and the gradients of x and the parameters, for one dy."""
    x = x.detach().to(dtype or x.dtype).requires_grad_()
    y = module(x)
    if dy is None:
        dy = normal(y.shape, 2)
    tensors = [x, *module.parameters()]
    return y.detach(), *torch.autograd.grad(y, tensors, dy.to(y.dtype))


def quietly(load):
    """Return what a function returns that imports torch's tests, which warn of this and that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load()
