"""The layers do what torch's do: the same numbers, states and repr."""

import numpy as np
import pytest

import numbanorm as nbn

SHAPES = {"1d": (6, 3, 5), "2d": (4, 3, 5, 2), "3d": (2, 3, 4, 3, 2)}
KINDS = list(SHAPES)
OPTIONS = [
    {},
    {"momentum": None},
    {"momentum": 0.5, "eps": 1e-3},
    {"affine": False},
    {"track_running_stats": False},
    {"affine": False, "track_running_stats": False, "momentum": None},
]
TOLERANCE = {"rtol": 2e-5, "atol": 2e-5}


def draw(shape, seed, dtype="f4"):
    return np.random.default_rng(seed).normal(1.0, 2.0, shape).astype(dtype)


def make(kind, **options):
    return getattr(nbn, f"BatchNorm{kind}")(3, **options)


def pair(kind, options):
    """Return our layer and torch's, with one state that is not the initial one."""
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, f"BatchNorm{kind}")(3, **options)
    ours = make(kind, **options)
    with torch.no_grad():
        for seed, value in enumerate(theirs.parameters()):
            value.copy_(torch.from_numpy(draw(3, seed)))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs, torch


def check_state(ours, theirs):
    state, wanted = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(wanted)
    for name, value in wanted.items():
        assert state[name].shape == tuple(value.shape)
        assert state[name].dtype == value.numpy().dtype
        np.testing.assert_allclose(state[name], value.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.peers
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
class TestLikeTorch:
    def test_repr(self, kind, options):
        ours, theirs, torch = pair(kind, options)
        if tuple(map(int, torch.__version__.split("+")[0].split(".")[:2])) < (2, 13):
            pytest.skip("repr says bias from torch 2.13 on")
        assert repr(ours) == repr(theirs)
        assert repr(make(kind, layout="NHWC", **options)) == repr(theirs)[:-1] + ", layout='NHWC')"

    def test_training_then_inference(self, kind, options):
        ours, theirs, torch = pair(kind, options)
        ours.save_for_backward = True
        for step in range(5):
            mode = step < 3
            assert ours.train(mode) is ours and ours.training is mode
            theirs.train(mode)
            x, dy = draw(SHAPES[kind], 10 + step), draw(SHAPES[kind], 20 + step)
            tensor = torch.from_numpy(x).requires_grad_()
            theirs.zero_grad()
            result = theirs(tensor)
            result.backward(torch.from_numpy(dy))
            np.testing.assert_allclose(ours(x), result.detach().numpy(), **TOLERANCE)
            np.testing.assert_allclose(ours.backward(dy), tensor.grad.numpy(), **TOLERANCE)
            gradients = {name: value.grad.numpy() for name, value in theirs.named_parameters()}
            assert list(ours.gradients()) == list(ours.parameters()) == list(gradients)
            for name, wanted in gradients.items():
                np.testing.assert_allclose(ours.gradients()[name], wanted, rtol=2e-5, atol=2e-4)
            check_state(ours, theirs)

    def test_state_goes_both_ways(self, kind, options):
        ours, theirs, torch = pair(kind, options)
        ours(draw(SHAPES[kind], 1))
        state = {k: torch.from_numpy(np.array(v)) for k, v in ours.state_dict().items()}
        theirs.load_state_dict(state)
        check_state(ours, theirs)

    def test_empty_batch(self, kind, options):
        ours, theirs, torch = pair(kind, options)
        x = np.zeros((0, *SHAPES[kind][1:]), "f4")
        assert ours(x).shape == theirs(torch.from_numpy(x)).shape
        check_state(ours, theirs)
        assert ours.backward(x).shape == x.shape
        assert all((g == 0).all() for g in ours.gradients().values())


@pytest.mark.peers
def test_untracked_in_training_uses_running_arrays_in_inference():
    # As in torch, where switching the attribute off later leaves the arrays to inference.
    ours, theirs, torch = pair("1d", {})
    x = draw(SHAPES["1d"], 1)
    ours(x), theirs(torch.from_numpy(x))
    ours.track_running_stats = theirs.track_running_stats = False
    for mode in (True, False):
        wanted = theirs.train(mode)(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(ours.train(mode)(x), wanted, **TOLERANCE)
        check_state(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_nhwc_is_nchw_transposed(kind):
    x, dy = draw(SHAPES[kind], 1), draw(SHAPES[kind], 2)
    first, last = make(kind), make(kind, layout="NHWC")
    wanted, found = first(x), last(np.moveaxis(x, 1, -1).copy())
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), wanted, **TOLERANCE)
    wanted, found = first.backward(dy), last.backward(np.moveaxis(dy, 1, -1).copy())
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), wanted, **TOLERANCE)
    assert last.num_features == 3


def test_float64():
    layer = make("1d", dtype=np.float64)
    assert all(a.dtype == np.float64 for a in list(layer.state_dict().values())[:-1])
    x = draw((50, 3), 1, "f8")
    y = layer(x)
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5), rtol=1e-12)


def test_rank_2():
    x = draw((50, 3), 1)
    np.testing.assert_allclose(make("1d")(x).std(0), 1, rtol=1e-4)


def test_a_failing_call_changes_nothing():
    layer = make("1d")
    x, dy = draw((6, 3), 1), draw((6, 3), 2)
    layer(x)
    wanted = layer.backward(dy)
    layer(x)
    before = layer.state_dict(copy=True)
    layer.weight = np.ones(4, "f4")
    with pytest.raises(ValueError, match="weight must have shape"):
        layer(x)
    layer.weight = before["weight"]
    with pytest.raises(ValueError, match="more than 1 value"):
        layer(x[:1])
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    np.testing.assert_array_equal(layer.backward(dy), wanted)


def test_backward_of_inference_does_not_see_later_statistics():
    layer = make("1d").eval()
    layer.save_for_backward = True
    x, dy = draw((6, 3), 1), draw((6, 3), 2)
    layer(x)
    wanted = layer.backward(dy)
    layer(x)
    layer.running_var[...] = 9
    np.testing.assert_array_equal(layer.backward(dy), wanted)


def test_backward_keeps_a_mean_that_float32_would_round():
    # A mean of 1e6 stds: rounded to float32 it is off by up to 0.03 stds.
    rng = np.random.default_rng(0)
    x = (1e6 + rng.normal(size=(512, 3))).astype("f4")
    dy = (x - x.astype("f8").mean(0) + rng.normal(size=x.shape)).astype("f4")
    layer = make("1d")
    layer(x)
    dx = layer.backward(dy)
    x64 = x.astype("f8")
    rstd = 1 / np.sqrt(x64.var(0) + 1e-5)
    x_hat = (x64 - x64.mean(0)) * rstd
    wanted = rstd * (dy - dy.mean(0, dtype="f8") - x_hat * (dy * x_hat).mean(0))
    np.testing.assert_allclose(dx, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    np.testing.assert_allclose(layer.gradients()["weight"], (dy * x_hat).sum(0), rtol=1e-5)


def test_gradients_are_new_each_time():
    layer = make("1d")
    assert layer.gradients() == {}
    x = draw((6, 3), 1)
    layer(x)
    layer.backward(x)
    first = layer.gradients()
    layer(x)
    layer.backward(2 * x)
    np.testing.assert_array_equal(layer.gradients()["bias"], 2 * first["bias"])


def test_parameters_and_state_are_the_arrays_themselves():
    layer = make("1d")
    assert layer.parameters()["weight"] is layer.weight
    state = layer.state_dict()
    layer.load_state_dict({name: np.full(value.shape, 3) for name, value in state.items()})
    assert (layer.weight == 3).all() and state["running_var"] is layer.running_var
    assert layer.num_batches_tracked == 3 and layer.num_batches_tracked.dtype == np.int64


def test_state_without_num_batches_tracked_loads():
    layer = make("1d")
    layer(draw((6, 3), 1))
    state = {k: v for k, v in make("1d").state_dict().items() if k != "num_batches_tracked"}
    layer.load_state_dict(state)
    assert layer.num_batches_tracked == 1 and not layer.running_mean.any()
