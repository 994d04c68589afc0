"""Gradients by numbanorm.torch: which, when, how often differentiated, and of what."""

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402
from torch_cases import CASES, FEW, close, gradients, normal, pair  # noqa: E402

import numbanorm.torch as nt  # noqa: E402

pytestmark = pytest.mark.peers

every = pytest.mark.parametrize("case", CASES, ids=str)
few = pytest.mark.parametrize("case", FEW, ids=str)
frozen = pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])


@few
@frozen
def test_gradcheck(case, training, kernels):
    ours = pair(case, torch.float64)[0].train(training)
    # So few values that every derivative is tried.
    shape = (3, *case.shape[1:2], *(2 for _ in case.shape[2:]))
    x = (normal(shape if case.name not in ("LayerNorm", "RMSNorm") else case.shape, 3)).double()
    if case.name in ("LayerNorm", "RMSNorm"):
        x = x[:2, :2] if x.dim() > 2 else x[:2]

    def function(x, *parameters):
        names = [name for name, _ in ours.named_parameters()]
        buffers = {name: one.clone() for name, one in ours.named_buffers()}
        return torch.func.functional_call(ours, dict(zip(names, parameters)) | buffers, (x,))

    inputs = (x.requires_grad_(), *ours.parameters())
    assert torch.autograd.gradcheck(function, inputs, fast_mode=x.numel() > 60)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradcheck(function, inputs, check_batched_grad=True, fast_mode=True)
    assert kernels.backward.call_count > 5


@few
@frozen
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("mixed", [False, True])
def test_double_backward_is_torchs(case, training, dtype, mixed, kernels):
    found = []
    for module in pair(case, torch.float32 if mixed else dtype):
        x = case.x(dtype).requires_grad_()
        y, inputs = module.train(training)(x), (x, *module.parameters())
        first = torch.autograd.grad(y, inputs, case.x(dtype, 7), create_graph=True)
        loss = sum((one.float() ** 2).mean() for one in first)
        found.append((*first, *torch.autograd.grad(loss, inputs[:2])))
    for got, wanted in zip(*found, strict=True):
        close(got, wanted)
    assert kernels.forward.call_count == 1
    assert not kernels.backward.called


WANTED = [(x, weight, bias) for x in (0, 1) for weight in (0, 1) for bias in (0, 1)][1:]


@every
@frozen
@pytest.mark.parametrize("wanted", WANTED, ids=str)
def test_only_what_is_needed(case, training, wanted, kernels):
    ours, theirs = (one.train(training) for one in pair(case))
    if ours.weight is None or (case.name == "RMSNorm" and wanted[:2] == (0, 0)):
        return
    found = []
    for module in (ours, theirs):
        x = case.x().requires_grad_(bool(wanted[0]))
        for parameter, want in zip(module.parameters(), wanted[1:]):
            parameter.requires_grad_(bool(want))
        module(x).pow(3).sum().backward()
        found.append([x.grad, *(one.grad for one in module.parameters())])
    for got, want in zip(*found, strict=True):
        close(got / 100 if got is not None else None, want / 100 if want is not None else None)
    (call,) = kernels.backward.call_args_list
    parameters = (*wanted[1:], 0)[: len(found[0]) - 1]
    assert call.args[-1] == tuple(map(bool, (wanted[0], *parameters, 0)[:3]))


@few
def test_nothing_is_kept_without_gradients(case, kernels):
    ours, theirs = pair(case)
    with torch.no_grad():
        assert ours(case.x()).grad_fn is None
    close(ours.requires_grad_(False)(case.x().requires_grad_()), ours(case.x()))
    assert ours(case.x()).grad_fn is None
    with torch.inference_mode():
        y = ours(case.x())
    assert y.is_inference()
    theirs(case.x())
    assert kernels.forward.call_count == 5 and not kernels.backward.called


@few
def test_inference_tensors(case, kernels):
    with torch.inference_mode():
        ours, theirs = (one.eval() for one in pair(case))
        x = case.x()
        close(ours(x), theirs(x))
    # What has only tensors of inference mode has no gradients, though gradients are on.
    assert ours.weight.requires_grad and not ours(x).requires_grad
    close(ours(x), theirs(x))
    assert kernels.forward.call_count == 3


@few
@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoint(case, reentrant, kernels):
    ours, theirs = pair(case)
    # Each forward pass moves running statistics.
    wanted = gradients(nn.Sequential(theirs, nn.Tanh()), case.x())
    model = nn.Sequential(ours, nn.Tanh())

    def run(x):
        return checkpoint(model, x, use_reentrant=reentrant)

    if reentrant:
        x = case.x().requires_grad_()
        y = run(x)
        y.backward(normal(y.shape, 2))
        found = [y, x.grad, *(one.grad for one in model.parameters())]
    else:
        run.parameters = model.parameters
        found = gradients(run, case.x())
    for got, want in zip(found, wanted, strict=True):
        close(got, want)
    assert kernels.forward.call_count == 2 and kernels.backward.call_count == 1


@few
def test_functional_call(case, kernels):
    ours, theirs = pair(case)
    state = {name: value.clone() * 2 for name, value in ours.named_parameters()}
    state |= {name: value.clone() for name, value in ours.named_buffers()}
    got, wanted = (torch.func.functional_call(one, state, (case.x(),)) for one in (ours, theirs))
    close(got, wanted)
    assert kernels.forward.called


@few
def test_changes_between_forward_and_backward(case, kernels):
    """Torch's own counters find what was changed; y is nobody's, running statistics are copied."""
    ours, _ = pair(case)
    for change in ("x", "weight"):
        x = case.x().requires_grad_() * 1
        y = ours(x)
        with torch.no_grad():
            (x if change == "x" else ours.weight).mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
    found = []
    ours, theirs = pair(case)
    for module in (ours, theirs):
        x = case.x().requires_grad_()
        y = module.eval()(x.view(case.shape))
        if hasattr(module, "running_mean") and module is ours:
            # Torch would differentiate by the new running statistics.
            module.train()(case.x(seed=4))
        y.mul_(2).add_(1)
        y.pow(2).sum().backward()
        found.append(x.grad)
    close(*found)


@few
def test_graph_kept_and_used_again(case, kernels):
    ours, theirs = pair(case)
    for module in (ours, theirs):
        x = case.x().requires_grad_()
        y = module(x)
        y.sum().backward(retain_graph=True)
        y.pow(2).sum().backward()
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            y.sum().backward()
    close(ours.weight.grad, theirs.weight.grad)
    with torch.autograd.graph.save_on_cpu(), torch.autograd.set_detect_anomaly(True, False):
        gradients(ours, case.x())


def test_shared_parameters_and_hooks(kernels):
    """One weight of two norms; hooks that see and change gradients; a layer used twice."""
    found = []
    for namespace in (nt, nn):
        first, second = namespace.LayerNorm(17), namespace.LayerNorm(17)
        second.weight = first.weight
        first.weight.register_hook(lambda gradient: gradient * 2)
        first.register_full_backward_hook(lambda _, dx, dy: (dx[0] + 1,))
        found.append(gradients(nn.Sequential(first, second, first), CASES[10].x()))
    for got, wanted in zip(*found, strict=True):
        close(got, wanted)
    assert copy.deepcopy(first).weight is not first.weight
