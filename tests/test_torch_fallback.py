"""What numbanorm.torch's kernels can't do goes to torch's own functions, silently."""

import contextlib

import pytest

torch = pytest.importorskip("torch")

import torch_cases  # noqa: E402
from torch import nn  # noqa: E402
from torch.autograd import forward_ad  # noqa: E402
from torch.func import functionalize, grad, hessian, jvp, vmap  # noqa: E402
from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch_cases import FEW, close, pair  # noqa: E402

import numbanorm.torch as nt  # noqa: E402

pytestmark = pytest.mark.peers

few = pytest.mark.parametrize("case", FEW, ids=str)


class Functions(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **kwargs or {})


class Dispatches(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **kwargs or {})


class Subclass(torch.Tensor):
    """One whose functions are torch's."""


class Counting(torch.Tensor):
    """One that overrides a function of torch."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        y = super().__torch_function__(function, types, args, kwargs or {})
        return y + 1 if function.__name__.endswith("_norm") else y


def dual(module, x):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(module(forward_ad.make_dual(x, x * 2))).tangent


def traced(module, x):
    return torch.jit.trace(module, x)(x * 2)


def default_device(module, x):
    with torch.device("cpu"):
        return module(x)


def make_fx(module, x):
    from torch.fx.experimental.proxy_tensor import make_fx

    return make_fx(module)(x)(x)


def within(mode):
    def call(module, x):
        with mode():
            return module(x)

    return call


CALLS = {
    "vmap": lambda module, x: vmap(module)(torch.stack([x, x + 1])),
    "grad": lambda module, x: grad(lambda x: module(x).pow(3).sum())(x),
    "jvp": lambda module, x: jvp(module, (x,), (x * 2,))[1],
    "hessian": lambda module, x: hessian(lambda x: module(x).pow(3).sum())(x[:1]),
    "functionalize": lambda module, x: functionalize(module)(x),
    "forward mode": dual,
    "function mode": within(Functions),
    "dispatch mode": within(Dispatches),
    "default device": default_device,
    "jit.trace": traced,
    "make_fx": make_fx,
    "subclass": lambda module, x: module(x.as_subclass(Subclass)),
    "__torch_function__": lambda module, x: module(x.as_subclass(Counting)),
    "negative": lambda module, x: module(torch._neg_view(x)),
    "zero": lambda module, x: module(torch._efficientzerotensor(x.shape)),
    "meta": lambda module, x: module.to("meta")(x.to("meta")).stride(),
}


def outcome(function, *args):
    """Return what a function returns, or the error it raises, as text."""
    try:
        return function(*args)
    except RuntimeError as error:
        return str(error)


# Deprecated, but there; and what jit.trace says of checks that are on sizes.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@few
@pytest.mark.parametrize("name", CALLS)
def test_call(case, name, kernels):
    ours, theirs = (one.eval() for one in pair(case))
    got, wanted = (outcome(CALLS[name], one, case.x()) for one in (ours, theirs))
    assert type(got) is type(wanted)
    if isinstance(got, torch.Tensor):
        close(got.as_subclass(torch.Tensor), wanted.as_subclass(torch.Tensor))
    else:
        assert got == wanted
    assert not kernels.forward.called or name == "jit.trace"


@few
def test_gradients_that_are_batched(case, kernels):
    ours, theirs = (one.eval() for one in pair(case))
    x = case.x()[:2, :, :1]
    if case.name == "LayerNorm":
        x = case.x()[:1]
    jacobian = torch.autograd.functional.jacobian
    close(*(jacobian(one, x, vectorize=True) for one in (ours, theirs)))
    assert kernels.forward.called and not kernels.backward.called


@few
def test_fake_tensors(case, kernels):
    from torch._subclasses.fake_tensor import FakeTensorMode

    found = []
    with FakeTensorMode():
        for namespace in (nt, nn):
            module = case.make(namespace)
            x = torch.empty(case.shape, requires_grad=True)
            y = module(x)
            y.sum().backward()
            found.append((y.shape, y.stride(), x.grad.stride(), module.weight.grad.shape))
    assert found[0] == found[1] and not kernels.forward.called


@few
def test_parameters_of_other_dtypes_and_kinds(case, kernels):
    """Of float64, of 16 bits, of a subclass, buffers with gradients: what torch does, or says."""

    def with_subclass(module):
        module.weight = nn.Parameter(module.weight.detach().as_subclass(Subclass))

    def with_gradients(module):
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.requires_grad_()

    changes = (nn.Module.double, nn.Module.bfloat16, with_subclass, with_gradients)
    for change in changes:
        results = []
        for module in pair(case):
            change(module)
            results.append(outcome(module, case.x()))
        got, wanted = results
        if isinstance(wanted, str):
            assert got == wanted
        else:
            assert type(got) is type(wanted)
            close(*(one.as_subclass(torch.Tensor) for one in results), torch.float32)
    # Of those with gradients, where there are no buffers.
    assert kernels.forward.call_count == int(not hasattr(module, "running_mean"))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors(kernels):
    ours, theirs = pair(torch_cases.CASES[10])
    x = torch.nested.nested_tensor([torch.ones(2, 17), torch.ones(3, 17)])
    for got, wanted in zip(ours(x).unbind(), theirs(x).unbind(), strict=True):
        close(got, wanted)
    assert not kernels.forward.called


@few
def test_duck_types(case, kernels):
    """An object that is no tensor, with `__torch_function__`."""

    class Duck:
        shape, ndim = case.shape, len(case.shape)

        def dim(self):
            return self.ndim

        def size(self, index=None):
            return torch.Size(self.shape) if index is None else self.shape[index]

        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            return function.__name__

    with contextlib.suppress(AttributeError):
        assert pair(case)[0](Duck()) == pair(case)[1](Duck())
    assert not kernels.forward.called
