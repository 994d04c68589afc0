"""The inputs of PyTorch's own tests of its norm modules, through numbanorm's.

torch's package has the inputs, not the tests (test/test_modules.py), which are done here again.
Left out, with reasons:

- check_inplace: norms have no argument `inplace`.
- cpu_gpu_parity, multiple_device_transfer, to(device), MPS and ROCm: other devices are torch's own,
  whose functions are called for them.
- gradients by every element, for inputs of over 60, and second ones: gradcheck's fast mode does.
- errors of InstanceNorm, LayerNorm and RMSNorm: torch's table has none.
- LazyBatchNorm, LazyInstanceNorm: torch makes torch's modules of them; `test_torch_convert`.
- SyncBatchNorm: has no CPU implementation in torch, and no module here.
- float16 and bfloat16 of all but GroupNorm: torch's own table doesn't have them;
  `test_torch_functional` does.
"""

import copy
import pickle

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's own tests need it")

import torch_cases  # noqa: E402
from torch_cases import close, gradients, randomize  # noqa: E402

import numbanorm.torch as nt  # noqa: E402

pytestmark = pytest.mark.peers

MODULES = (
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "InstanceNorm1d", "InstanceNorm2d",
    "InstanceNorm3d", "GroupNorm", "LayerNorm", "RMSNorm",
)  # fmt: skip


def load():
    from torch.testing._internal.common_modules import module_db

    return {info.name.removeprefix("nn."): info for info in module_db}


INFOS = torch_cases.quietly(load)
DTYPES = [(name, dtype) for name in MODULES for dtype in INFOS[name].dtypes]

every = pytest.mark.parametrize("name", MODULES)
every_dtype = pytest.mark.parametrize(("name", "dtype"), DTYPES, ids=str)
modes = pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])


def samples(name, dtype=torch.float64, training=True):
    """Yield modules of numbanorm's and torch's in one state, x, and torch's reference if any."""
    info = INFOS[name]
    torch.manual_seed(0)
    given = info.module_inputs_func(
        info, device="cpu", dtype=dtype, requires_grad=True, training=training
    )
    for sample in given:
        made = sample.constructor_input
        pair = [
            randomize(getattr(one, name)(*made.args, **made.kwargs)).to(dtype).train(training)
            for one in (nt, torch.nn)
        ]
        (x,) = sample.forward_input.args
        yield *pair, x, sample.reference_fn


@modes
@every_dtype
def test_forward_and_gradients(name, dtype, training, kernels):
    done = 0
    for ours, theirs, x, reference in samples(name, dtype, training):
        for got, wanted in zip(gradients(ours, x), gradients(theirs, x)):
            assert got.dtype == wanted.dtype
            close(got, wanted)
        for got, wanted in zip(ours.buffers(), theirs.buffers()):
            close(got, wanted, dtype)
        if reference is not None:
            # RMSNorm's computes in float32, whatever x is.
            close(ours(x), reference(ours, x), torch.float32)
        done += bool(x.numel())
    # Each but the empty inputs.
    assert kernels.forward.call_count >= done > 3


@modes
@every
def test_gradcheck(name, training, kernels):
    for ours, _, x, _ in samples(name, training=training):
        # Running statistics that move are no function's.
        moving = randomize(copy.deepcopy(ours))

        def function(x, *parameters, moving=moving):
            names = [name for name, _ in moving.named_parameters()]
            state = dict(zip(names, parameters)) | dict(copy.deepcopy(moving).named_buffers())
            return torch.func.functional_call(moving, state, (x,))

        inputs = (x, *ours.parameters())
        assert torch.autograd.gradcheck(function, inputs, fast_mode=x.numel() > 60)
        assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)
    assert kernels.backward.called


@modes
@every
def test_noncontiguous(name, training, kernels):
    """Every other element of memory, of x, of dy, and of both."""
    for ours, theirs, x, _ in samples(name, training=training):
        spread = torch.testing._internal.common_utils.noncontiguous_like
        dy = torch.randn(x.shape, dtype=x.dtype)
        wanted = gradients(theirs, x, dy)
        for given in ((spread(x), dy), (x, spread(dy)), (spread(x), spread(dy))):
            state = copy.deepcopy(ours.state_dict())
            for got, want in zip(gradients(ours, *given), wanted):
                close(got, want)
            ours.load_state_dict(state)
    assert kernels.backward.called


@modes
@every
def test_memory_format(name, training, kernels):
    for ours, theirs, x, _ in samples(name, training=training):
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        if x.dim() not in formats:
            continue
        form = formats[x.dim()]
        like = x.detach().contiguous(memory_format=form)
        results = gradients(ours.to(memory_format=form), like, like)
        for got, wanted in zip(results, gradients(theirs, x, x.detach())):
            close(got, wanted)
        if name not in ("LayerNorm", "RMSNorm") and x.numel():
            # A sample without an axis of samples lies channels last to itself, but to no norm.
            alone = name.endswith(f"{x.dim() - 1}d")
            assert alone or results[0].stride() == results[1].stride() == like.stride()


@every
def test_pickle_copy_and_repr(name, tmp_path):
    for ours, theirs, x, _ in samples(name):
        assert repr(ours) == repr(theirs)
        torch.save(ours, tmp_path / "module.pt")
        loaded = torch.load(tmp_path / "module.pt", weights_only=False)
        wanted = copy.deepcopy(ours)(x)
        for made in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), loaded):
            assert type(made) is type(ours)
            close(made(x), wanted)
            assert list(made.state_dict()) == list(theirs.state_dict())


@every
def test_factory_arguments_and_to_empty(name):
    info = INFOS[name]
    for sample in info.module_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=False, training=True
    ):
        made = sample.constructor_input
        kwargs = {**made.kwargs, "device": "meta", "dtype": torch.float64}
        module = getattr(nt, name)(*made.args, **kwargs)
        floats = [one for one in module.state_dict().values() if one.is_floating_point()]
        assert all(one.is_meta and one.dtype is torch.float64 for one in floats)
        (x,) = sample.forward_input.args
        module.to_empty(device="cpu").reset_parameters()
        close(module(x), getattr(torch.nn, name)(*made.args, **made.kwargs).double()(x))


@every
def test_train_and_eval_differ(name, kernels):
    differ = []
    for ours, _, x, _ in samples(name):
        y = ours(x)
        differ.append(not torch.equal(y, ours.eval()(x)))
    assert any(differ) == INFOS[name].train_and_eval_differ


@pytest.mark.parametrize("name", [one for one in MODULES if INFOS[one].module_error_inputs_func])
def test_errors(name):
    info = INFOS[name]
    for sample in info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
    ):
        given = sample.module_error_input

        def call(given=given):
            made, x = given.constructor_input, given.forward_input
            return getattr(nt, name)(*made.args, **made.kwargs)(*x.args, **x.kwargs)

        with pytest.raises(sample.error_type, match=sample.error_regex):
            call()
