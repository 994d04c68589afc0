"""Layers of 16-bit floats, and PyTorch's, whose tensors of bfloat16 NumPy has no word for."""

import copy
import pickle
import re

import cases
import numpy as np
import pytest
from norm_calls import inputs
from norms import INFERENCE, NORMS
from test_sixteen import KINDS, UNITS, half_unit

import numbanorm as nbn

# Each kind of layer, its arguments, and an input's shape.
LAYERS = {
    "BatchNorm1d": ((6,), {}, (8, 6, 5)),
    "BatchNorm2d": ((6,), {"layout": "NHWC"}, (3, 4, 5, 6)),
    "InstanceNorm1d": ((6,), {"affine": True, "track_running_stats": True}, (4, 6, 20)),
    "GroupNorm": ((3, 6), {}, (4, 6, 10)),
    "LayerNorm": ((20,), {}, (4, 6, 20)),
    "RMSNorm": ((20,), {}, (4, 6, 20)),
}
ALL = pytest.mark.parametrize(("name", "given"), LAYERS.items(), ids=LAYERS)


def make(name, given, dtype):
    """Return a layer whose parameters are none of the first ones."""
    arguments, options, _ = given
    layer = getattr(nbn, name)(*arguments, dtype=dtype, **options)
    for seed, (key, value) in enumerate(layer.state_dict().items()):
        if key != "num_batches_tracked":
            value[...] = np.abs(cases.normal(value.shape, np.float32, seed)) + 0.5
    return layer


def draw(given, dtype, seed=0):
    return cases.normal(given[-1], np.float32, seed).astype(dtype)


def same_states(one, other):
    one, other = one.state_dict(), other.state_dict()
    assert list(one) == list(other)
    return all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one.values(), other.values())
    )


@KINDS
@ALL
def test_a_layer_and_what_is_made_of_it(name, given, kind):
    """Like PyTorch's it has parameters of its dtype; it is copied, pickled, and turned."""
    dtype = cases.dtype_of(kind)
    layer, (x, dy) = make(name, given, kind), (draw(given, dtype, seed) for seed in (1, 2))
    floats = [a for key, a in layer.state_dict().items() if key != "num_batches_tracked"]
    assert layer.dtype == dtype and all(a.dtype == dtype for a in floats)
    twins = copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer.astype(dtype)
    wide = layer.astype(np.float32)
    assert all(a.dtype == np.float32 for a in wide.parameters().values())
    y, dx = layer(x), layer.backward(dy)
    assert y.dtype == dx.dtype == dtype
    gradients = layer.gradients()
    assert all(a.dtype == np.float32 for a in gradients.values()) and len(gradients)
    for twin in twins:
        assert np.array_equal(twin(x), y) and np.array_equal(twin.backward(dy), dx)
        assert same_states(twin, layer)
    # A float32 layer takes x of 16 bits, and keeps its own arrays of float32.
    assert np.array_equal(wide(x), y) and np.array_equal(wide.backward(dy), dx)
    for key, value in wide.gradients().items():
        assert np.array_equal(value, gradients[key])
    for key, value in wide.astype(dtype).state_dict().items():
        assert np.array_equal(value, layer.state_dict()[key])
    assert np.array_equal(wide.eval()(x).astype(dtype), wide.eval()(x))
    if name in ("LayerNorm", "RMSNorm"):
        assert wide(x.astype(np.float32)).dtype == np.float32


@KINDS
@ALL
def test_what_a_layer_refuses(name, given, kind):
    dtype = cases.dtype_of(kind)
    layer, wide = make(name, given, dtype), make(name, given, np.float64)
    for x in (draw(given, np.float32), draw(given, np.float64)):
        message = f"x must be {kind} like the layer, got {x.dtype}"
        with pytest.raises(TypeError, match=re.escape(message)):
            layer(x)
    with pytest.raises(TypeError, match=f"x must be float64 like the layer, got {kind}"):
        wide(draw(given, dtype))


@KINDS
@ALL
def test_states(name, given, kind):
    """From one dtype to another and back."""
    dtype = cases.dtype_of(kind)
    layer = make(name, given, dtype)
    for other in (np.float32, np.float64, dtype):
        target, back = (getattr(nbn, name)(*given[0], dtype=d, **given[1]) for d in (other, dtype))
        target.load_state_dict(layer.state_dict(prefix="a."), prefix="a.")
        back.load_state_dict(target.state_dict())
        assert same_states(back, layer)
        assert all(a.dtype == other for a in target.parameters().values())


def tensor(array):
    """Return a tensor of an array's memory."""
    import torch

    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def numbers(found):
    return found.detach().double().numpy()


@pytest.mark.peers
@KINDS
@ALL
def test_states_of_torch(name, given, kind):
    torch = pytest.importorskip("torch")
    arguments, options, _ = given
    options = {key: value for key, value in options.items() if key != "layout"}
    theirs = getattr(torch.nn, name)(*arguments, dtype=getattr(torch, kind), **options)
    ours = make(name, given, kind)
    theirs.load_state_dict({k: tensor(v.copy()) for k, v in ours.state_dict().items()})
    target = getattr(nbn, name)(*given[0], dtype=kind, **given[1])
    target.load_state_dict(theirs.state_dict())
    assert same_states(target, ours)
    target.load_state_dict(dict(theirs.named_parameters()) | dict(theirs.named_buffers()))
    x, dy = (draw(given, cases.dtype_of(kind), seed) for seed in (1, 2))
    if "layout" in given[1]:
        x, dy = x.transpose(0, 3, 1, 2), dy.transpose(0, 3, 1, 2)
        target.layout = "NCHW"
    their_x = tensor(x).clone().requires_grad_()
    y = theirs(their_x)
    y.backward(tensor(dy))
    check(target(x), y, "y")
    check(target.backward(dy), their_x.grad, "dx")
    for key, value in target.state_dict().items():
        check(value, theirs.state_dict()[key], key)


def check(ours, theirs, name, once=False):
    """Compare where theirs, as ours, is rounded once; or where their statistics are too."""
    ours, dtype, wanted = ours.astype(np.float64), ours.dtype, numbers(theirs)
    if dtype.name not in UNITS:
        np.testing.assert_allclose(ours, wanted, 1e-5, err_msg=name)
        return
    largest = np.abs(wanted).max()
    allowed = 2 * half_unit(wanted, dtype) if once else 4 * UNITS[dtype.name][0] * largest
    assert (np.abs(ours - wanted) <= 1.01 * allowed + 2e-5 * largest).all(), name


# Of few values a mean may be many deviations from 0, and theirs is rounded.
TORCH = [
    pytest.param(norm, case, id=f"{type(norm).__name__}-{case}")
    for norm in (*NORMS.values(), INFERENCE)
    for case in norm.cases(norm.shapes)[2::4]
    if case.layout == "NCHW" and np.prod(case.shape) >= 8 * np.prod(norm.stats_shape(case))
]


@pytest.mark.peers
@KINDS
@pytest.mark.parametrize("own", [True, False], ids=["own", "float32"])
@pytest.mark.parametrize(("norm", "case"), TORCH)
def test_functions_of_torch(norm, case, own, kind):
    """With parameters of 16 bits theirs saves statistics of 16 bits, but of groups and rows."""
    torch = pytest.importorskip("torch")
    dtype = cases.dtype_of(kind)
    x, _, *parameters = inputs(norm, case)
    x = x.astype(dtype)
    parameters = [a if a is None or not own else a.astype(dtype) for a in parameters]
    their_x, *given = (a if a is None else tensor(a.copy()) for a in (x, *parameters))
    more = {}
    if norm is INFERENCE:
        more = dict(zip(("running_mean", "running_var"), norm.given(case, np.float32)))
        given = [a.float() for a in given]
        wanted = torch.nn.functional.batch_norm(their_x, *map(tensor, more.values()), *given)
    else:
        # Its RMS norm takes parameters of x's type only.
        mixed = not own and norm.name == "rms"
        wanted = norm.torch(their_x.float() if mixed else their_x, case, *given)
    y = norm.forward(x, case, *parameters, **more)
    check(y, wanted, "y", not own or norm.name not in ("batch", "instance"))


@pytest.mark.peers
@pytest.mark.parametrize("last", [False, True], ids=["", "channels_last"])
def test_tensors_of_bfloat16(last):
    """Read and updated where they are, in any strides; the same as arrays."""
    torch = pytest.importorskip("torch")
    dtype = cases.dtype_of("bfloat16")
    x, dy = (cases.normal((4, 6, 5, 7), dtype, seed) for seed in (1, 2))
    weight, bias, mean, var = (np.abs(cases.normal((6,), dtype, seed)) for seed in (3, 4, 5, 6))
    given = [tensor(a.copy()) for a in (x, dy)]
    if last:
        given = [a.contiguous(memory_format=torch.channels_last) for a in given]
    wx, wdy = given
    running = tensor(mean.copy()), tensor(np.repeat(var, 2))[::2]
    y, m, r = nbn.batch_norm(
        wx, *running, tensor(weight), tensor(bias), training=True, return_stats=True
    )
    wanted, wm, wr = nbn.batch_norm(x, mean, var, weight, bias, True, return_stats=True)
    assert y.dtype == dtype and np.array_equal(y, wanted)
    assert y.strides == tuple(2 * s for s in wx.stride())
    assert np.array_equal(m, wm) and np.array_equal(r, wr)
    for got, right in zip(running, (mean, var)):
        assert got.dtype == torch.bfloat16 and torch.equal(got, tensor(right))
    found = nbn.batch_norm_backward(wdy, wx, m, r, tensor(weight))
    for got, right in zip(found, nbn.batch_norm_backward(dy, x, m, r, weight)):
        assert np.array_equal(got, right)
    assert np.array_equal(nbn.batch_norm(wx, *running), nbn.batch_norm(x, mean, var))
    layer = nbn.BatchNorm2d(6, dtype="bfloat16")
    assert layer(wx).dtype == layer.backward(wdy).dtype == dtype
    assert np.array_equal(nbn.channel_normalize(wx, *running), nbn.channel_normalize(x, mean, var))


@pytest.mark.peers
def test_results_over_a_tensor():
    """`out` is an array, and may be what the tensor is made of."""
    torch = pytest.importorskip("torch")
    x = torch.randn(5, 70).bfloat16()
    bits = x.view(torch.int16).numpy().view(cases.dtype_of("bfloat16"))
    wanted = nbn.layer_norm(bits, 70)
    assert nbn.layer_norm(x, 70, out=bits) is bits and np.array_equal(bits, wanted)
    assert torch.equal(x, tensor(wanted))
    with pytest.raises(ValueError, match="out must be x itself or share no memory with it"):
        nbn.layer_norm(x[1:], 70, out=bits[:-1])
    with pytest.raises(TypeError, match="out must be a NumPy array, got Tensor"):
        nbn.layer_norm(x, 70, out=x)
    with pytest.raises(TypeError, match=r"x is a tensor that requires grad: pass x\.detach\(\)"):
        nbn.layer_norm(x.requires_grad_(), 70)
