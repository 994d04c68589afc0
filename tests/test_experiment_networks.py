"""The experiment's networks: gradients are those of differences, convolutions those of PyTorch."""

import copy

import numpy as np
import pytest

from numbanorm.experiment.convolution import images, patches
from numbanorm.experiment.layers import Convolution
from numbanorm.experiment.networks import NETWORKS, build, norms_of
from numbanorm.experiment.training import cross_entropy
from numbanorm.experiment.watching import Watch

CASES = [(network, norm) for network in NETWORKS for norm in norms_of(network)]


@pytest.mark.parametrize(("network", "norm"), CASES)
def test_gradients_are_those_of_finite_differences(network, norm):
    """Of the whole network, in float64, along random directions of each parameter."""
    rng = np.random.default_rng(5)
    net = build(network, norm, seed=3, dtype=np.float64)
    x, labels = rng.standard_normal((6, 28, 28, 1)), rng.integers(0, 10, 6)
    _, dy = cross_entropy(net(x), labels)
    net.backward(dy)
    gradients = [layer.gradients()[name].copy() for layer, name, _ in net.parameters()]
    size = max(np.linalg.norm(gradient) for gradient in gradients)
    for (_, _, value), gradient in zip(net.parameters(), gradients):
        assert gradient.shape == value.shape and gradient.dtype == np.float64
        direction, before = rng.standard_normal(value.shape), value.copy()
        direction /= np.linalg.norm(direction)
        losses = []
        for step in (-1e-6, 1e-6):
            value[...] = before + step * direction
            losses.append(cross_entropy(net(x), labels)[0])
        value[...] = before
        slope = (losses[1] - losses[0]) / 2e-6
        assert slope == pytest.approx(np.sum(gradient * direction), rel=1e-4, abs=1e-6 * size)


# An odd and an even side, a side less than the kernel, one channel and several.
@pytest.mark.parametrize("shape", [(2, 28, 28, 1), (3, 7, 10, 4), (2, 2, 5, 3)])
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (5, 2), (1, 1)])
def test_convolution_is_torchs(shape, size, stride):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    layer = Convolution(rng, shape[-1], 6, size, stride, dtype=np.float64)
    layer.bias[:] = rng.standard_normal(6)
    x = rng.standard_normal(shape)
    y = layer(x)
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy)
    kernel = layer.weight.reshape(size, size, shape[-1], 6).transpose(3, 2, 0, 1)
    given = [torch.from_numpy(a.copy()) for a in (x.transpose(0, 3, 1, 2), kernel, layer.bias)]
    given = [tensor.requires_grad_() for tensor in given]
    expected = torch.nn.functional.conv2d(*given, stride=stride, padding=size // 2)
    expected.backward(torch.from_numpy(dy.transpose(0, 3, 1, 2).copy()))
    close = dict(rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(y, expected.detach().numpy().transpose(0, 2, 3, 1), **close)
    np.testing.assert_allclose(dx, given[0].grad.numpy().transpose(0, 2, 3, 1), **close)
    dkernel = given[1].grad.numpy().transpose(2, 3, 1, 0).reshape(layer.weight.shape)
    np.testing.assert_allclose(layer.gradients()["weight"], dkernel, **close)
    np.testing.assert_allclose(layer.gradients()["bias"], given[2].grad.numpy(), **close)


def test_images_are_the_transpose_of_patches():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 7, 6, 3))
    rows = patches(x, 3, 2, 1)
    other = rng.standard_normal(rows.shape)
    assert np.sum(rows * other) == pytest.approx(np.sum(x * images(other, x.shape, 2, 1)))


def test_all_norms_start_from_the_same_weights():
    first, other = (build("cnn", norm, seed=1) for norm in ("none", "instance"))
    for a, b in zip(first.weighted(), other.weighted()):
        assert np.array_equal(a.weight, b.weight)
    assert not np.array_equal(build("cnn", "none", seed=2).weighted()[0].weight, a.weight)


def test_weights_have_the_deviation_that_is_asked_for():
    weight = build("mlp", "none", seed=0, scale=3.0).weighted()[1].weight
    assert weight.std() == pytest.approx(3 * np.sqrt(2 / 128), rel=0.03)


@pytest.mark.parametrize(("network", "norm"), CASES)
def test_inference_does_not_depend_on_the_rest_of_the_batch(network, norm):
    rng = np.random.default_rng(4)
    x = rng.standard_normal((8, 28, 28, 1)).astype(np.float32)
    net = build(network, norm, seed=0)
    net(x)
    net.train(False)
    np.testing.assert_allclose(net(x)[:3], net(x[:3]), rtol=1e-4, atol=1e-5)


def test_looks_leave_a_network_as_it_is():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((20, 28, 28, 1)).astype(np.float32)
    net = build("mlp", "batch", seed=0)
    net(x)
    before = copy.deepcopy([vars(layer) for layer in net.layers])
    watch = Watch(x, every=5)
    watch(0, net)
    for then, layer in zip(before, net.layers):
        for name, value in vars(layer).items():
            np.testing.assert_equal(value, then[name])
    (look,) = watch.looks
    assert len(look.mean) == 4 and look.drift == [0.0] * 4 and look.moved == [0.0] * 4
    # The second layer's input is a ReLU of what has mean 0 and deviation 1.
    y = np.maximum(net.layers[2](net.layers[1](net.layers[0](x))), 0)
    assert look.mean[0] == pytest.approx(y.mean(), rel=1e-6)
    assert look.deviation[0] == pytest.approx(y.std(), rel=1e-6)


def test_drift_is_in_deviations():
    x = np.random.default_rng(1).standard_normal((50, 28, 28, 1)).astype(np.float32)
    net, watch = build("mlp", "none", seed=0), Watch(x, every=5)
    watch.look(0, net)
    net.layers[1].weight *= 2  # all inputs behind it are doubled
    watch.look(1, net)
    first, second = watch.looks
    for i in range(4):
        assert second.mean[i] == pytest.approx(2 * first.mean[i], rel=1e-5)
        size = np.hypot(first.mean[i], first.deviation[i]) / first.deviation[i]
        assert second.moved[i] == pytest.approx(size, rel=1e-5)
        assert 0 < second.drift[i] < second.moved[i]
