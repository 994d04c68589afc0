"""Odd values and arguments, which numbanorm.torch does with what torch does."""

import copy

import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch_cases import CASES, FEW, close, gradients, pair  # noqa: E402

import numbanorm.torch as nt  # noqa: E402

pytestmark = pytest.mark.peers

every = pytest.mark.parametrize("case", CASES, ids=str)
few = pytest.mark.parametrize("case", FEW, ids=str)


@few
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_what_is_not_finite_stays_in_its_group(case, value, kernels):
    ours, theirs = pair(case)
    x = case.x()
    x[1, 2, ...][..., 0] = value
    y, dx, *_ = gradients(ours, x)
    wanted, dwanted, *_ = gradients(theirs, x)
    lost = wanted.isnan()
    if case.name == "RMSNorm":
        # Where torch makes 0 of what is finite beside what is infinite.
        lost = lost.any(-1, keepdim=True).expand(x.shape)
    assert lost.any() and not lost.all() and (lost | ~y.isnan()).all()
    close(y[~lost], wanted[~lost])
    kept = dwanted.isfinite()
    close(dx[kept], dwanted[kept])


EMPTY = [
    ("batch_norm", (0, 3, 2), {"running_mean": torch.zeros(3), "running_var": torch.ones(3)}),
    ("batch_norm", (2, 0, 2), {"running_mean": torch.zeros(0), "running_var": torch.ones(0)}),
    ("group_norm", (0, 4, 3), {"num_groups": 2}),
    ("layer_norm", (0, 4), {"normalized_shape": (4,)}),
    ("layer_norm", (4, 0), {"normalized_shape": (0,)}),
    ("rms_norm", (0, 4), {"normalized_shape": (4,)}),
    ("rms_norm", (4, 0), {"normalized_shape": (0,)}),
]


@pytest.mark.parametrize(("name", "shape", "keywords"), EMPTY)
def test_empty(name, shape, keywords, kernels):
    results = []
    for namespace in (nt, F):
        x = torch.zeros(shape, requires_grad=True)
        y = getattr(namespace, name)(x, **keywords)
        results.append((y, *torch.autograd.grad(y.sum(), x)))
    for got, wanted in zip(*results):
        assert got.shape == wanted.shape


@every
@pytest.mark.parametrize("eps", [0.0, 1e-12, 3.0])
def test_eps(case, eps, kernels):
    """Of a constant and eps 0 torch makes NaN, numbanorm 0: it is torch that does it here."""
    ours, theirs = pair(case)
    ours.eps = theirs.eps = eps
    if eps == 0.0 and case.name.startswith("BatchNorm"):
        with pytest.raises(ValueError, match="eps must be positive"):
            ours(case.x())
        ours, theirs = ours.eval(), theirs.eval()
        for module in (ours, theirs):
            module.running_mean, module.running_var = torch.ones(2, *module.running_mean.shape)
            module.running_var.zero_()
    close(ours(case.x()), theirs(case.x()))
    constant = torch.full(case.shape, 0.1)
    # The truth, that torch's rounding misses.
    wanted = theirs(constant) if eps == 0.0 else theirs.double()(constant.double())
    close(ours(constant), wanted)
    assert kernels.forward.call_count == (2 if eps else 0)


@pytest.mark.parametrize("momentum", [None, 0, 1, 0.1, 0.0, 1.0])
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"track_running_stats": False}])
def test_running_statistics(options, momentum, kernels):
    for case in CASES:
        if not case.name.startswith(("Batch", "Instance")):
            continue
        made = case._replace(keywords=case.keywords | {"momentum": momentum} | options)
        ours, theirs = pair(made)
        for seed, mode in enumerate([True, True, False, True, False]):
            x = made.x(seed=seed) * 3 + 1
            got, wanted = (one.train(mode)(x) for one in (ours, theirs))
            close(got, wanted)
        for name, value in theirs.state_dict().items():
            close(ours.state_dict()[name], value, torch.float32)


@few
def test_deterministic_and_default_dtype(case, kernels):
    theirs = pair(case, torch.float64)[1]
    wanted = gradients(copy.deepcopy(theirs), case.x(torch.float64))
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    try:
        ours = case.make(nt)
        ours.load_state_dict(theirs.state_dict())
        for got, want in zip(gradients(ours, case.x(torch.float64)), wanted):
            assert got.dtype is torch.float64
            close(got, want)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_default_dtype(torch.float32)
    assert kernels.backward.called


def test_running_buffers_that_are_not_contiguous(kernels):
    for case in CASES[:6]:
        ours, theirs = pair(case)
        for module in (ours, theirs):
            for name, value in (("running_mean", 0.5), ("running_var", 2.0)):
                setattr(module, name, torch.full((2 * case.arguments[0],), value)[::2])
        close(ours(case.x()), theirs(case.x()))
        close(ours.running_var, theirs.running_var)
        close(ours.eval()(case.x()), theirs.eval()(case.x()))
