"""The layers of instance, group, layer and RMS norm do what torch's do."""

import re

import numpy as np
import pytest
from cases import FLOATS

import numbanorm as nbn

TRACKED = {"affine": True, "track_running_stats": True}
# Layer, arguments, options, and a shape; the second of a kind is one sample without a batch.
LAYERS = [
    ("InstanceNorm1d", (3,), {}, (4, 3, 7)),
    ("InstanceNorm1d", (3,), TRACKED, (3, 7)),
    ("InstanceNorm2d", (3,), TRACKED | {"momentum": 0.3, "eps": 1e-3}, (2, 3, 4, 5)),
    ("InstanceNorm2d", (3,), {"affine": True}, (3, 4, 5)),
    ("InstanceNorm2d", (3,), TRACKED | {"momentum": None}, (2, 3, 4, 5)),
    ("InstanceNorm3d", (3,), {"track_running_stats": True}, (2, 3, 2, 4, 5)),
    ("InstanceNorm3d", (3,), {}, (3, 2, 4, 5)),
    ("GroupNorm", (2, 6), {}, (3, 6, 5)),
    ("GroupNorm", (3, 6), {"affine": False, "eps": 1e-3}, (3, 6, 4)),
    ("LayerNorm", (7,), {}, (3, 7)),
    ("LayerNorm", ((4, 7),), {"bias": False}, (3, 4, 7)),
    ("LayerNorm", ([7],), {"elementwise_affine": False, "eps": 1e-3}, (2, 3, 7)),
    ("RMSNorm", (7,), {}, (3, 7)),
    ("RMSNorm", ((2, 7),), {"eps": 1e-3, "elementwise_affine": False}, (3, 2, 7)),
]
CASES = [pytest.param(*row, id=f"{row[0]}-{i}") for i, row in enumerate(LAYERS)]


def draw(shape, seed, dtype="f4"):
    return np.random.default_rng(seed).normal(1.0, 2.0, shape).astype(dtype)


def pair(name, arguments, options):
    """Return our layer and torch's, with one state that is not the initial one."""
    torch = pytest.importorskip("torch")
    ours = getattr(nbn, name)(*arguments, **options)
    theirs = getattr(torch.nn, name)(*arguments, **options)
    with torch.no_grad():
        for seed, value in enumerate(theirs.parameters()):
            value.copy_(torch.from_numpy(draw(tuple(value.shape), seed)))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs, torch


@pytest.mark.peers
@pytest.mark.parametrize(("name", "arguments", "options", "shape"), CASES)
class TestLikeTorch:
    def test_repr(self, name, arguments, options, shape):
        ours, theirs, torch = pair(name, arguments, options)
        if tuple(map(int, torch.__version__.split("+")[0].split(".")[:2])) < (2, 13):
            pytest.skip("repr says bias from torch 2.13 on")
        assert repr(ours) == repr(theirs)

    def test_training_then_inference(self, name, arguments, options, shape):
        ours, theirs, torch = pair(name, arguments, options)
        ours.save_for_backward = True
        for step, mode in enumerate([True, True, False]):
            x, dy = draw(shape, 10 + step), draw(shape, 20 + step)
            tensor = torch.from_numpy(x).requires_grad_()
            theirs.zero_grad()
            result = theirs.train(mode)(tensor)
            result.backward(torch.from_numpy(dy))
            y = ours.train(mode)(x)
            np.testing.assert_allclose(y, result.detach().numpy(), 2e-5, 2e-5)
            np.testing.assert_allclose(ours.backward(dy), tensor.grad.numpy(), 2e-5, 2e-5)
            gradients = {n: p.grad.numpy() for n, p in theirs.named_parameters()}
            assert list(ours.gradients()) == list(ours.parameters()) == list(gradients)
            for key, wanted in gradients.items():
                np.testing.assert_allclose(ours.gradients()[key], wanted, 2e-5, 2e-4)
            state, wanted = ours.state_dict(), theirs.state_dict()
            assert list(state) == list(wanted)
            for key, value in wanted.items():
                np.testing.assert_allclose(state[key], value.numpy(), 1e-5, 1e-6)
                assert state[key].dtype == value.numpy().dtype

    def test_state_goes_both_ways(self, name, arguments, options, shape):
        ours, theirs, torch = pair(name, arguments, options)
        theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})

    def test_float64(self, name, arguments, options, shape):
        layer = getattr(nbn, name)(*arguments, dtype=np.float64, **options)
        y = layer(draw(shape, 1, "f8"))
        assert y.dtype == layer.backward(y).dtype == np.float64
        with pytest.raises(TypeError, match="x must be float64 like the layer, got float32"):
            layer(draw(shape, 1))

    def test_last_channels(self, name, arguments, options, shape):
        if name in ("LayerNorm", "RMSNorm"):
            with pytest.raises(TypeError):
                getattr(nbn, name)(*arguments, layout="NHWC")
            return
        axis = {"InstanceNorm1d": 2, "InstanceNorm2d": 3, "InstanceNorm3d": 4}.get(name)
        axis = 0 if len(shape) == axis else 1
        first = getattr(nbn, name)(*arguments, **options)
        last = getattr(nbn, name)(*arguments, layout="NHWC", **options)
        x, dy = draw(shape, 1), draw(shape, 2)
        wanted, found = first(x), last(np.moveaxis(x, axis, -1).copy())
        np.testing.assert_allclose(np.moveaxis(found, -1, axis), wanted, 2e-5, 2e-5)
        wanted, found = first.backward(dy), last.backward(np.moveaxis(dy, axis, -1).copy())
        np.testing.assert_allclose(np.moveaxis(found, -1, axis), wanted, 2e-5, 2e-5)
        assert repr(last) == repr(first)[:-1] + ", layout='NHWC')"


def test_instance_norm_without_arrays_takes_any_channels_with_a_warning():
    x = draw((2, 4, 5), 1)
    with pytest.warns(UserWarning, match="x has 4 channels, not the layer's 3"):
        y = nbn.InstanceNorm1d(3)(x)
    np.testing.assert_array_equal(y, nbn.instance_norm(x))
    for options in ({"affine": True}, {"track_running_stats": True}):
        with pytest.raises(ValueError, match="x must have 3 channels"):
            nbn.InstanceNorm1d(3, **options)(x)


WRONG = [
    (lambda: nbn.GroupNorm(4, 6), ValueError, "num_groups must divide the 6 channels, got 4"),
    (lambda: nbn.GroupNorm(0, 6), ValueError, "num_groups must be 1 or more, got 0"),
    (lambda: nbn.GroupNorm(2.0, 6), TypeError, "num_groups must be an int, got 2.0"),
    (lambda: nbn.GroupNorm(2, -2), ValueError, "num_channels must be 0 or more, got -2"),
    (lambda: nbn.GroupNorm(2, 6)(draw((2, 4, 3), 1)), ValueError, "x must have 6 channels"),
    (lambda: nbn.LayerNorm(()), ValueError, "normalized_shape must have 1 or more dimensions"),
    (lambda: nbn.LayerNorm((3, -1)), ValueError, "normalized_shape must be 0 or more, got -1"),
    (lambda: nbn.LayerNorm("33"), TypeError, "normalized_shape must be an int, got '33'"),
    (lambda: nbn.LayerNorm(3, eps=-1), ValueError, "eps must be finite and not negative, got -1"),
    (lambda: nbn.RMSNorm(3, eps=-1), ValueError, "eps must be finite and not negative, got -1"),
    (lambda: nbn.RMSNorm(3, dtype=int), TypeError, f"dtype must be {FLOATS}, got int64"),
    (lambda: nbn.LayerNorm(3)(draw((3, 4), 1)), ValueError, "normalized_shape must be x's last"),
    (lambda: nbn.InstanceNorm2d(3)(draw((3, 4), 1)), ValueError, "x must have 4 dimensions"),
    (lambda: nbn.InstanceNorm1d(3)(draw((2, 3, 1), 1)), ValueError, "x must have more than 1"),
    (lambda: nbn.RMSNorm(3).backward(0), RuntimeError, "RMSNorm.backward must follow a call"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG, ids=[w[2] for w in WRONG])
def test_wrong(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


def test_a_failing_call_keeps_the_last_one():
    layer = nbn.InstanceNorm1d(3, affine=True, track_running_stats=True)
    x, dy = draw((2, 3, 7), 1), draw((2, 3, 7), 2)
    layer(x)
    wanted = layer.backward(dy)
    layer(x)
    before = layer.state_dict(copy=True)
    for wrong in (x[:, :2], x[..., :1], x.astype("f8")):
        with pytest.raises((ValueError, TypeError)):
            layer(wrong)
    with pytest.raises(ValueError, match="dy must have x's shape"):
        layer.backward(dy[:1])
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    np.testing.assert_array_equal(layer.backward(dy), wanted)
