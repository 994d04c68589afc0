"""Models converted and restored: the same modules, which keep all that they had."""

import copy
import io
import logging
import pickle

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch_cases import CASES, close, gradients, pair, randomize  # noqa: E402

import numbanorm.torch as nt  # noqa: E402

pytestmark = pytest.mark.peers

every = pytest.mark.parametrize("case", CASES, ids=str)


class Mine(nn.LayerNorm):
    """A class of the model's own, which may do anything."""


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.GroupNorm(2, 6))
        self.again = self.body[1]
        self.heads = nn.ModuleDict({"a": nn.LayerNorm(5), "b": nn.RMSNorm(5)})

    def forward(self, x):
        x = self.again(self.body(x))
        return self.heads["a"](x) + self.heads["b"](x)


X = torch.randn(2, 3, 7, 7, generator=torch.Generator().manual_seed(0))


@every
def test_a_norm_itself(case, kernels):
    _, theirs = pair(case)
    wanted = gradients(copy.deepcopy(theirs), case.x())
    before = {name: id(one) for name, one in theirs.named_parameters()}
    assert nt.convert(theirs) is theirs
    assert type(theirs) is getattr(nt, case.name) and isinstance(theirs, getattr(nn, case.name))
    for got, want in zip(gradients(theirs, case.x()), wanted, strict=True):
        close(got, want)
    assert kernels.forward.call_count == kernels.backward.call_count == 1
    assert nt.restore(theirs) is theirs and type(theirs) is getattr(nn, case.name)
    assert {name: id(one) for name, one in theirs.named_parameters()} == before
    assert repr(theirs) == repr(case.make(nn))


def test_model_of_shared_modules(kernels):
    model = Model()
    wanted = copy.deepcopy(model)
    keys, parameters = list(model.state_dict()), list(model.parameters())
    for _ in range(2):
        assert nt.convert(model) is model
    assert type(model.again) is nt.BatchNorm2d and model.again is model.body[1]
    assert list(model.state_dict()) == keys
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    for got, want in zip(gradients(model, X), gradients(wanted, X), strict=True):
        close(got / 10, want / 10)
    assert kernels.forward.call_count == 5
    assert model.again.num_batches_tracked == 2


def test_what_modules_have_stays(kernels):
    module = randomize(nn.BatchNorm2d(3)).eval()
    module.note, module.weight.requires_grad = "kept", False
    module.weight.mark = 1
    seen = []
    module.register_forward_hook(lambda *_: seen.append("forward"))
    module.register_forward_pre_hook(lambda *_: seen.append("before"))
    module.register_full_backward_hook(lambda *_: seen.append("backward"))
    module.register_state_dict_post_hook(lambda *_: seen.append("state"))
    module.register_load_state_dict_post_hook(lambda *_: seen.append("load"))
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    nt.convert(module)
    assert module.note == "kept" and not module.training and module.weight.mark == 1
    module(X.clone().requires_grad_()).sum().backward()
    module.load_state_dict(module.state_dict())
    assert seen == ["before", "forward", "backward", "state", "load"]
    assert module.weight.grad is None and module.bias.grad is not None
    before = module.bias.clone()
    optimizer.step()
    assert not torch.equal(module.bias, before)
    assert kernels.forward.called


def left_alone():
    return nn.ModuleDict(
        {
            "mine": Mine(7),
            "sync": nn.SyncBatchNorm(3),
            "lazy": nn.LazyBatchNorm2d(),
            "script": torch.jit.script(nn.BatchNorm2d(3)),
            "elsewhere": nn.LayerNorm(7, device="meta"),
            "done": nn.LayerNorm(7),
        }
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Lazy modules")
def test_what_is_left_alone_is_said(capsys, caplog):
    model = left_alone()
    classes = [type(one) for one in model.values()]
    with caplog.at_level(logging.WARNING):
        nt.convert(model)
    assert [type(one) for one in model.values()][:4] == classes[:4]
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"left alone: mine: {__name__}.Mine, a class made of torch.nn.LayerNorm",
        "left alone: sync: torch.nn.modules.batchnorm.SyncBatchNorm, which has no counterpart here",
        "left alone: lazy: LazyBatchNorm2d, to be converted after its first call",
        "left alone: script: a program of torch.jit's",
    ]
    nt.explain(model)
    printed = capsys.readouterr().out.splitlines()
    assert printed[:4] == [
        one.replace("left alone: ", "").replace(": ", ": left to torch: ", 1) for one in said
    ]
    assert printed[4:] == [
        "elsewhere: LayerNorm runs on numbanorm's kernels, but for its device, meta: "
        "torch's own does it",
        "done: LayerNorm runs on numbanorm's kernels",
    ]
    nt.explain(nt.restore(nn.LayerNorm(3)))
    assert "the model: left to torch: LayerNorm of torch, which convert changes" in (
        capsys.readouterr().out
    )


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_modules_after_their_first_call(kernels):
    model = nn.Sequential(nn.LazyConv2d(6, 3), nn.LazyBatchNorm2d())
    model(X)
    nt.convert(model)
    assert type(model[1]) is nt.BatchNorm2d
    close(model(X), nt.restore(copy.deepcopy(model))(X))
    assert kernels.forward.call_count == 1


def test_copies_and_files(kernels):
    model = nt.convert(Model())
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    for made in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), loaded):
        assert type(made.again) is nt.BatchNorm2d and made.again is made.body[1]
        close(made(X), copy.deepcopy(model)(X))
    torch_model = Model()
    torch_model.load_state_dict(model.state_dict())
    model.load_state_dict(torch_model.state_dict(), assign=True)
    close(model(X), torch_model(X))
    assert kernels.forward.called


def test_memory_format_and_dtype(kernels):
    model, wanted = nt.convert(Model()), Model()
    wanted.load_state_dict(model.state_dict())
    model.to(memory_format=torch.channels_last)
    close(model(X.contiguous(memory_format=torch.channels_last)), wanted(X))
    close(model.double()(X.double()), wanted.double()(X.double()))
    nn.SyncBatchNorm.convert_sync_batchnorm(model)
    assert type(model.body[1]) is nn.SyncBatchNorm and type(model.heads["a"]) is nt.LayerNorm
    assert kernels.forward.call_count == 10
