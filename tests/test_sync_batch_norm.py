"""Batch norm over ranks: against one process that has the whole batch, and when a rank fails."""

import copy

import numpy as np
import pytest
import ranks

import numbanorm as nbn

# Where samples are cut: ranks with as many, with fewer and with none; one rank; several with none.
CUTS = [(0, 3, 6, 9, 12), (0, 7, 7, 8, 12), (0, 12), (0, 0, 1, 1, 2, 12, 12)]
DTYPES = [np.float32, np.float64, np.float16]


def batch(dtype, layout, channels=5, mean=3.0):
    rng = np.random.default_rng(0)
    shape = (12, channels, 6, 7) if layout == "NCHW" else (12, 6, 7, channels)
    x, dy = rng.normal(mean, 2.0, shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    weight = rng.normal(size=channels).astype(np.float64 if dtype == np.float64 else np.float32)
    return x, dy, weight


def step(layer, x, dy):
    y = layer(x)
    return y, layer.backward(dy), layer.gradients(), layer.state_dict(copy=True)


def on_ranks(cuts, x, dy, make):
    def work(member):
        part = slice(cuts[member.rank], cuts[member.rank + 1])
        return step(make(member), x[part], dy[part])

    results, calls = ranks.run(len(cuts) - 1, work)
    errors = [one for one in results if isinstance(one, Exception)]
    assert not errors, errors
    assert calls == 2
    return results


@pytest.mark.parametrize("cuts", CUTS, ids=str)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_ranks_do_what_one_process_does(dtype, layout, cuts):
    x, dy, weight = batch(dtype, layout)

    def make(member):
        layer = ranks.Layer(5, member, layout=layout, dtype=weight.dtype)
        layer.weight[:] = weight
        return layer

    found = on_ranks(cuts, x, dy, make)
    whole = nbn.BatchNorm2d(5, layout=layout, dtype=weight.dtype)
    whole.weight[:] = weight
    y, dx, gradients, state = step(whole, x, dy)
    close = {np.float32: 2e-6, np.float64: 1e-13, np.float16: 2e-3}[dtype]
    np.testing.assert_allclose(np.concatenate([one[0] for one in found]), y, close, close)
    np.testing.assert_allclose(np.concatenate([one[1] for one in found]), dx, close, close)
    for _, _, mine, own in found:
        for name, value in gradients.items():
            np.testing.assert_allclose(mine[name], value, 1e-5, 1e-5)
            np.testing.assert_array_equal(mine[name], found[0][2][name])
        for name, value in state.items():
            np.testing.assert_allclose(own[name], value, 1e-6, 1e-6)
            np.testing.assert_array_equal(own[name], found[0][3][name])


def test_far_means_and_the_truth():
    x, dy, _ = batch(np.float64, "NCHW", mean=2e6)
    found = on_ranks(CUTS[1], x, dy, lambda member: ranks.Layer(5, member, dtype=np.float64))
    axes = (0, 2, 3)
    exact = x.astype(np.longdouble)
    mean = exact.mean(axes, keepdims=True)
    want = (exact - mean) / np.sqrt(((exact - mean) ** 2).mean(axes, keepdims=True) + 1e-5)
    y = np.concatenate([one[0] for one in found])
    np.testing.assert_allclose(y, want.astype(float), atol=1e-8)


def test_inference_asks_nobody_and_backward_adds_up():
    x, dy, _ = batch(np.float32, "NCHW")

    def work(member):
        layer = ranks.Layer(5, member).eval()
        layer.save_for_backward = True
        part = slice(6 * member.rank, 6 * member.rank + 6)
        return step(layer, x[part], dy[part])

    found, calls = ranks.run(2, work)
    assert calls == 1
    whole = nbn.BatchNorm2d(5).eval()
    whole.save_for_backward = True
    y, dx, gradients, _ = step(whole, x, dy)
    np.testing.assert_array_equal(np.concatenate([one[0] for one in found]), y)
    np.testing.assert_array_equal(np.concatenate([one[1] for one in found]), dx)
    for one in found:
        np.testing.assert_allclose(one[2]["weight"], gradients["weight"], 1e-5, 1e-5)


def test_without_running_statistics_and_with_their_average():
    x, dy, _ = batch(np.float32, "NCHW")
    for options in ({"track_running_stats": False}, {"momentum": None}):

        def make(member, options=options):
            return ranks.Layer(5, member, **options)

        found = on_ranks(CUTS[1], x, dy, make)
        want = step(nbn.BatchNorm2d(5, **options), x, dy)
        assert found[0][3].keys() == want[3].keys()
        for name, value in want[3].items():
            np.testing.assert_allclose(found[0][3][name], value, 1e-6, 1e-6)


WRONG = {
    "channels": lambda x: x[:, :4],
    "rank": lambda x: x[0],
    "dtype": lambda x: x.astype(np.float64),
    "not numbers": lambda x: "images",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_an_error_on_one_rank_is_one_on_all(wrong):
    x, _, _ = batch(np.float32, "NCHW")
    layers = {}

    def work(member):
        layer = layers[member.rank] = ranks.Layer(5, member)
        return layer(wrong(x) if member.rank == 1 else x)

    found, _ = ranks.run(3, work)
    assert isinstance(found[1], (TypeError, ValueError))
    for other in (found[0], found[2]):
        assert isinstance(other, RuntimeError)
        assert f"rank 1 failed: {type(found[1]).__name__}: x must" in str(other)
    for layer in layers.values():
        assert layer.num_batches_tracked == 0
        np.testing.assert_array_equal(layer.running_mean, 0)


def test_a_wrong_gradient_on_one_rank_can_be_given_again():
    x, dy, _ = batch(np.float32, "NCHW")

    def work(member):
        layer = ranks.Layer(5, member)
        layer(x)
        with pytest.raises((ValueError, RuntimeError)):
            layer.backward(dy if member.rank else dy[:1])
        return layer.backward(dy)

    found, calls = ranks.run(2, work)
    assert calls == 3
    np.testing.assert_array_equal(found[0], found[1])


def test_one_value_on_all_ranks_is_none_to_train_with():
    def work(member):
        return ranks.Layer(5, member)(np.ones((1 - member.rank, 5, 1, 1), np.float32))

    found, _ = ranks.run(2, work)
    assert [str(one) for one in found] == [
        "x must have more than 1 value per channel on all ranks, got 1"
    ] * 2


def test_nothing_on_all_ranks():
    def work(member):
        layer = ranks.Layer(5, member)
        y, dx, gradients, state = step(layer, *np.empty((2, 0, 5, 2, 2), np.float32))
        assert y.shape == dx.shape == (0, 5, 2, 2)
        np.testing.assert_array_equal(gradients["weight"], 0)
        return state

    found, _ = ranks.run(2, work)
    np.testing.assert_array_equal(found[1]["running_mean"], 0)
    assert found[1]["num_batches_tracked"] == 1


def test_copies_speak_to_the_same_ranks():
    layer = ranks.Layer(5, ranks.Threads(1).member(0))
    x, _, _ = batch(np.float32, "NCHW")
    np.testing.assert_array_equal(copy.copy(layer)(x), layer(x))
