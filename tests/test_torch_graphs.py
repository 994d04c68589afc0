"""numbanorm.torch in graphs: compiled, exported, traced by fx, scripted.

Not tested: ONNX by torch.export (onnxscript is needed, and would know no numbanorm::normalize; a
model is `restore`d first), torch.ao's quantization.
"""

import copy
import warnings

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch._dynamo.testing import CompileCounterWithBackend  # noqa: E402
from torch_cases import CASES, FEW, close, normal, pair  # noqa: E402

import numbanorm.torch as nt  # noqa: E402
from numbanorm.torch import operators  # noqa: E402

# Of modules that torch itself imports or makes on the way.
pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

every = pytest.mark.parametrize("case", CASES, ids=str)
few = pytest.mark.parametrize("case", FEW, ids=str)


def compiled(module, backend="aot_eager", **keywords):
    torch._dynamo.reset()
    return torch.compile(module, backend=backend, fullgraph=True, **keywords)


def check(function, ours, theirs, *xs):
    """Compare results, gradients and running statistics, in training and in evaluation."""
    for training in (True, False):
        ours.train(training), theirs.train(training)
        for x in xs:
            found = []
            for module, call in ((ours, function), (theirs, theirs)):
                given = x.detach().requires_grad_()
                y = call(given)
                inputs = (given, *module.parameters())
                found.append((y, *torch.autograd.grad(y, inputs, normal(y.shape, 2).to(y.dtype))))
            for got, wanted in zip(*found, strict=True):
                close(got, wanted)
    for name, value in theirs.state_dict().items():
        got = ours.state_dict()[name]
        close(got, value) if got.is_floating_point() else close(got.double(), value)


@few
def test_compile(case, kernels):
    ours, theirs = pair(case)
    xs = [case.x(), case.x().transpose(-1, 1).contiguous().transpose(-1, 1)]
    check(compiled(ours), ours, theirs, *xs)
    assert kernels.forward.call_count == kernels.backward.call_count == 4


@few
def test_compile_for_any_number(case, kernels):
    ours, theirs = pair(case)
    xs = [normal((count, *case.shape[1:]), count) for count in (3, 5, 2)]
    counts = []
    for module in (theirs, ours):
        counter = CompileCounterWithBackend("aot_eager")
        check(compiled(module, counter, dynamic=True), module, copy.deepcopy(module), *xs)
        counts.append(counter.frame_count)
    # In training and in evaluation, as often as torch compiles its own.
    assert counts[0] == counts[1] <= 3
    assert kernels.forward.call_count == kernels.backward.call_count == 12


@pytest.mark.parametrize("case", CASES[2:10:7], ids=str)
def test_inductor(case, kernels):
    """What torch compiles by itself around the norm, by a C++ compiler."""
    pair_ = [nn.Sequential(nn.Conv2d(6, 6, 1), one, nn.GELU()) for one in pair(case)]
    pair_[1].load_state_dict(pair_[0].state_dict())
    try:
        check(compiled(pair_[0], "inductor"), *pair_, case.x())
    except torch._inductor.exc.InvalidCxxCompiler:
        pytest.skip("no C++ compiler")
    assert kernels.forward.called and kernels.backward.called


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_compiled_dtypes(dtype, kernels):
    ours, theirs = pair(FEW[0], dtype)
    check(compiled(ours), ours, theirs, FEW[0].x(dtype))
    assert kernels.backward.called


def test_what_graphs_leave_to_torch(kernels):
    """Transforms, mixed dtypes, one value per channel, eps 0: also its errors."""
    case = FEW[0]
    ours, theirs = (one.eval() for one in pair(case))
    for function in (
        lambda module: lambda x: torch.vmap(lambda one: module(one))(torch.stack([x, x])),
        lambda module: torch.func.grad(lambda x: module(x).pow(3).sum()),
    ):
        close(compiled(function(ours), "eager")(case.x()), function(theirs)(case.x()))
    mixed = copy.deepcopy(ours).double()
    with pytest.raises(RuntimeError, match="mixed dtype"):
        compiled(mixed, "eager")(case.x())
    with pytest.raises(Exception, match="more than 1 value per channel"):
        compiled(ours.train(), "eager")(torch.ones(1, 6, 1, 1))
    constant, none = torch.ones(2, 6, 3), nt.GroupNorm(2, 6, eps=0.0)
    assert compiled(none, "eager")(constant).isnan().all()
    assert not kernels.forward.called


def test_running_statistics_that_are_not_contiguous(kernels):
    ours, theirs = pair(FEW[0])
    for module in (ours, theirs):
        module.running_mean = torch.zeros(12)[::2]
        module.running_var = torch.ones(12)[::2]
    close(compiled(ours)(FEW[0].x()), theirs(FEW[0].x()))
    close(ours.running_mean, theirs.running_mean)
    close(ours.running_var, theirs.running_var)
    assert kernels.forward.called


@every
@pytest.mark.parametrize("strict", [True, False], ids=["strict", "not strict"])
def test_export(case, strict, kernels):
    ours, theirs = (one.eval() for one in pair(case))
    sizes = ({0: torch.export.Dim("n", min=2, max=64)},)
    program = torch.export.export(ours, (case.x(),), dynamic_shapes=sizes, strict=strict)
    assert "numbanorm.normalize" in str(program.graph)
    longer = normal((case.shape[0] + 3, *case.shape[1:]), 8)
    close(program.module()(longer), theirs(longer))
    assert kernels.forward.call_count == 1


@few
def test_opcheck(case):
    module = case.make(nt).requires_grad_()
    x = case.x().requires_grad_()
    kind = case.name.rstrip("123d").removesuffix("Norm").lower()
    sizes = (
        [module.num_groups] if kind == "group" else list(getattr(module, "normalized_shape", ()))
    )
    bias = getattr(module, "bias", None)
    rest = kind, sizes, 1e-5
    given = x, module.weight, bias, None, None, *rest
    torch.library.opcheck(operators.normalize, given)
    if kind == "batch":
        torch.library.opcheck(
            operators.normalize, (*given[:3], module.running_mean, module.running_var, *rest)
        )
        strided = torch.zeros(12)[::2]
        mean, var = torch.zeros(6, dtype=torch.float64), torch.ones(6, dtype=torch.float64)
        torch.library.opcheck(operators.update_running, (strided, None, mean, var, 9, 0.1))
    _, mean, var = operators.normalize(*(one.detach() if one is x else one for one in given))
    dy, x, weight = case.x(seed=4), x.detach(), module.weight.detach()
    for wanted in ([True, True, bias is not None], [False, True, False]):
        given = dy, x, weight, mean.detach(), var.detach(), True, wanted, *rest
        torch.library.opcheck(operators.gradients, given)


@every
def test_fx(case, kernels):
    """Leaves, as torch's norms are, whether made or converted; also for those who made a class."""
    ours, theirs = pair(case)
    for made in (ours, nt.convert(copy.deepcopy(theirs))):
        traced = torch.fx.symbolic_trace(nn.Sequential(made, nn.ReLU()))
        assert [node.op for node in traced.graph.nodes] == [
            "placeholder", "call_module", "call_module", "output",
        ]  # fmt: skip
        made.eval()
        close(traced(case.x()), theirs.eval()(case.x()).relu())
        assert type(made).__module__ == "numbanorm.torch.modules"
    restored = nt.restore(made)
    assert "__module__" not in vars(restored) and restored.__module__ == type(theirs).__module__
    assert kernels.forward.call_count == 2


def test_fx_goes_into_classes_made_of_these():
    class Mine(nt.LayerNorm):
        pass

    traced = torch.fx.symbolic_trace(nn.Sequential(Mine(17)))
    assert [node.op for node in traced.graph.nodes].count("call_function") == 1
    close(traced(CASES[10].x()), nn.LayerNorm(17)(CASES[10].x()))


@every
def test_script_and_trace(case, kernels, tmp_path):
    """Programs of torch.jit have torch's own functions, also where numbanorm is not."""
    for training in (True, False):
        ours, theirs = (one.train(training) for one in pair(case))
        programs = [torch.jit.script(ours)]
        if not training:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", torch.jit.TracerWarning)
                programs.append(torch.jit.trace(ours, case.x()))
        for program in programs:
            torch.jit.save(program, tmp_path / "program.pt")
            again = torch.jit.load(tmp_path / "program.pt")
            close(again(case.x()), copy.deepcopy(theirs)(case.x()))
    assert "aten::" in str(program.inlined_graph) and "numbanorm" not in str(program.code)
