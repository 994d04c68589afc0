"""numbanorm.torch's functions beside torch's, and the float64 truth: samples, dtypes, strides.

Of the samples of torch's OpInfos none is left out: what the kernels don't take (one dimension, eps
of 0 or less) is torch's own to do, and to refuse.
"""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's own tests need it")

import torch.nn.functional as F  # noqa: E402
import torch_cases  # noqa: E402
from torch_cases import CASES, TOLERANCES, close, gradients, pair  # noqa: E402

import numbanorm.torch as nt  # noqa: E402
from numbanorm.torch.arrays import array  # noqa: E402

pytestmark = pytest.mark.peers

NAMES = ["batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm"]
SIXTEEN = [torch.float16, torch.bfloat16]


def load():
    from torch.testing._internal.common_methods_invocations import op_db

    return {op.name.removeprefix("nn.functional."): op for op in op_db}


OPERATORS = torch_cases.quietly(load)

dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *SIXTEEN], ids=str)
every = pytest.mark.parametrize("case", CASES, ids=str)


def copied(value, dtype=None):
    if isinstance(value, torch.Tensor):
        value = value.detach().clone().to(dtype or value.dtype).requires_grad_(value.requires_grad)
    return value


def call(function, sample, dtype=None):
    """Return y, x's and the arguments' gradients, and the tensors without any, which may move."""
    given = [copied(one, dtype) for one in (sample.input, *sample.args)]
    named = {name: copied(one, dtype) for name, one in sample.kwargs.items()}
    y = function(*given, **named)
    tensors = [one for one in [*given, *named.values()] if isinstance(one, torch.Tensor)]
    wanted = [one for one in tensors if one.requires_grad]
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).to(y.dtype)
    found = torch.autograd.grad(y, wanted, dy) if wanted and y.requires_grad else ()
    return y.detach(), *found, *[one for one in tensors if not one.requires_grad]


@dtypes
@pytest.mark.parametrize("name", NAMES)
def test_torch_samples(name, dtype, kernels):
    torch.manual_seed(0)
    ours, theirs = getattr(nt, name), getattr(F, name)
    for sample in OPERATORS[name].sample_inputs("cpu", dtype, requires_grad=True):
        got = call(ours, sample)
        truth = call(theirs, sample, torch.float64)
        wanted = call(theirs, sample)
        for mine, right, their in zip(got, truth, wanted, strict=True):
            assert (mine.dtype, mine.shape) == (their.dtype, their.shape)
            # Where torch itself is far from the truth, as by a variance of nearly nothing.
            error = (their.double() - right).abs().nan_to_num(0.0)
            scale = 1.0 + right.abs().nan_to_num(0.0) + 1e5 * error
            close((mine - right) / scale, (right - right) / scale, dtype)
    assert kernels.forward.call_count > 2 and kernels.backward.call_count > 2


@pytest.mark.parametrize("name", [name for name in NAMES if OPERATORS[name].error_inputs_func])
def test_torch_errors(name, kernels):
    for sample in OPERATORS[name].error_inputs_func(OPERATORS[name], "cpu"):
        given = sample.sample_input
        with pytest.raises(sample.error_type, match=sample.error_regex):
            getattr(nt, name)(given.input, *given.args, **given.kwargs)


@every
@pytest.mark.parametrize(
    ("dtype", "mixed"), [*((one, False) for one in TOLERANCES), *((one, True) for one in SIXTEEN)]
)
def test_dtypes(case, dtype, mixed, kernels):
    """Modules of one dtype, and float32 ones of 16-bit x, as autocast has them."""
    ours, theirs = pair(case, torch.float32 if mixed else dtype)
    x = case.x(dtype)
    found = gradients(ours, x)
    for got, like, truth in zip(
        found, gradients(theirs, x), gradients(theirs.double(), x.double())
    ):
        assert got.dtype == like.dtype
        close(got, truth, dtype)
    assert kernels.forward.call_count == kernels.backward.call_count == 1


@every
def test_autocast(case, kernels):
    for ours, theirs in [pair(case)]:
        with torch.autocast("cpu", torch.bfloat16):
            got, wanted = (one(case.x(torch.bfloat16)) for one in (ours, theirs))
        assert got.dtype is wanted.dtype
        close(got, wanted)
    assert kernels.forward.called


def strided(x, axis=0):
    """Yield tensors of x's shape and various strides."""
    yield x.transpose(0, -1).contiguous().transpose(0, -1)
    yield torch.cat([x, x], -1)[..., : x.shape[-1]]
    yield torch.stack([x, x], -1)[..., 1]
    yield x.narrow(axis, 0, 1).expand(x.shape)
    yield torch.cat([x.new_zeros(1), x.flatten()])[1:].view(x.shape)
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if x.dim() in formats:
        yield x.contiguous(memory_format=formats[x.dim()])


@every
def test_strides(case, kernels):
    ours, theirs = pair(case)
    # Along which a constant would be no constant to the norm.
    axis = int(case.name == "BatchNorm1d")
    for x in strided(case.x(), axis):
        for dy in (*strided(case.x(seed=5)), torch.ones(()).expand(x.shape)):
            for got, wanted in zip(gradients(ours, x, dy), gradients(theirs, x.contiguous(), dy)):
                close(got, wanted)
    assert kernels.backward.call_count >= 30


@every
def test_nothing_is_copied(case):
    x = case.x().requires_grad_()
    for dtype in TOLERANCES:
        given = x.detach().to(dtype)
        assert array(given).ctypes.data == given.data_ptr()
        assert array(given).itemsize == given.itemsize
