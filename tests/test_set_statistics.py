"""`BatchNorm.set_statistics` gives a layer the statistics of all data, or leaves it as it was."""

import copy

import numpy as np
import pictures
import pytest
from cases import dtype_of

import numbanorm as nbn
from numbanorm import Moments

LAYERS = {2: nbn.BatchNorm1d, 3: nbn.BatchNorm1d, 4: nbn.BatchNorm2d, 5: nbn.BatchNorm3d}


def draw(rank, dtype=np.float32, n=64):
    """Return data in layout NCHW."""
    shape = (n, 3, 4, 5, 6)[:rank]
    return (pictures.pixels(shape, np.float64) * 2 + 5).astype(dtype)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank", LAYERS)
def test_values(rank, dtype, layout):
    """Those of all of the data, whatever the layer has seen; in place, rounded once."""
    x = draw(rank, dtype)
    x = x if layout == "NCHW" else np.ascontiguousarray(np.moveaxis(x, 1, -1))
    m = Moments.of(x, layout=layout)
    layer = LAYERS[rank](len(m.count), dtype=dtype, layout=layout)
    arrays = layer.running_mean, layer.running_var, layer.num_batches_tracked
    layer(x[:2])
    layer(x[2:4])
    assert layer.set_statistics(m) is layer
    mean, var = nbn.channel_mean_var(x, layout=layout, correction=1)
    assert pictures.same(layer.running_mean, mean.astype(dtype))
    np.testing.assert_array_max_ulp(layer.running_var, var.astype(dtype), 1)
    assert layer.num_batches_tracked == 1
    now = layer.running_mean, layer.running_var, layer.num_batches_tracked
    assert all(one is old for one, old in zip(now, arrays))
    y = layer.eval()(x)
    axes = tuple(i for i in range(rank) if i != (1 if layout == "NCHW" else rank - 1))
    assert np.abs(y.mean(axis=axes)).max() < 1e-5
    assert m == Moments.of(x, layout=layout)


def test_as_training_on_one_batch():
    x = draw(4)
    trained, given = nbn.BatchNorm2d(3, momentum=1.0), nbn.BatchNorm2d(3)
    trained(x)
    given.set_statistics(Moments.of(x))
    for name, value in trained.state_dict().items():
        assert np.array_equal(given.state_dict()[name], value), name


def test_training_goes_on_from_there():
    """The data set counts as one batch of a cumulative average."""
    layer = nbn.BatchNorm1d(3, momentum=None).set_statistics(Moments.of(draw(2)))
    mean = layer.running_mean.copy()
    x = draw(2, n=9) + 1
    layer(x)
    assert layer.num_batches_tracked == 2
    np.testing.assert_allclose(layer.running_mean, (mean + x.mean(axis=0)) / 2, rtol=1e-6)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_data_of_sixteen_bits(kind):
    x = draw(4, dtype_of(kind))
    layer = nbn.BatchNorm2d(3).set_statistics(Moments.of(x))
    mean, var = nbn.channel_mean_var(x, correction=1)
    assert pictures.same(layer.running_mean, mean.astype(np.float32))
    np.testing.assert_array_max_ulp(layer.running_var, var.astype(np.float32), 1)
    assert layer.eval()(x).dtype == dtype_of(kind)


def test_integers():
    """Images, before they are normalised in a network of their own."""
    x = pictures.pixels((64, 3, 4, 5), np.uint8)
    layer = nbn.BatchNorm2d(3).set_statistics(Moments.of(x))
    wanted = x.transpose(1, 0, 2, 3).reshape(3, -1).astype(np.float64)
    assert pictures.same(layer.running_mean, wanted.mean(axis=1).astype(np.float32))
    np.testing.assert_allclose(layer.running_var, wanted.var(axis=1, ddof=1), rtol=1e-7)


def test_variances_that_float32_lacks():
    x = np.array([[1e30, 1e-30, np.nan], [-1e30, -1e-30, 1]])
    layer = nbn.BatchNorm1d(3).set_statistics(Moments.of(x))
    assert layer.running_var[:2].tolist() == [np.inf, 0] and np.isnan(layer.running_var[2])


def test_states():
    layer = nbn.BatchNorm2d(3).set_statistics(Moments.of(draw(4)))
    state = layer.state_dict(copy=True)
    assert sorted(state) == [
        "bias", "num_batches_tracked", "running_mean", "running_var", "weight"
    ]  # fmt: skip
    other = nbn.BatchNorm2d(3)
    other.load_state_dict(state)
    for name, value in copy.deepcopy(layer).state_dict().items():
        assert np.array_equal(other.state_dict()[name], value)
        assert value.dtype == nbn.BatchNorm2d(3).state_dict()[name].dtype
    assert state["num_batches_tracked"] == 1 and state["num_batches_tracked"].dtype == np.int64
    for change in (other.eval(), other.astype(np.float64)):
        change.set_statistics(Moments.of(draw(4) + 1))
        assert (change.running_mean > 5.5).all()


def read_only(name):
    """Return a layer, one of whose arrays is."""
    layer = nbn.BatchNorm2d(3)
    getattr(layer, name).flags.writeable = False
    return layer


NONE, FEW = Moments.of(np.empty((0, 3))), Moments.of(np.ones((1, 3)))
READ_ONLY = "running statistics must be writeable to be set, got a read-only array"
WRONG = [
    (Moments.of(np.ones((4, 2))), ValueError, "moments must have 3 channels, got 2"),
    (Moments(), ValueError, "moments must have 3 channels, got 0"),
    (NONE, ValueError, "moments must be of 2 or more values per channel, got 0"),
    (FEW, ValueError, "moments must be of 2 or more values per channel, got 1"),
    (draw(4), TypeError, "moments must be Moments, got ndarray"),
    (None, TypeError, "moments must be Moments, got NoneType"),
    (FEW.to_dict(), TypeError, "moments must be Moments, got dict"),
]


@pytest.mark.parametrize(("moments", "error", "message"), WRONG, ids=[one[2] for one in WRONG])
def test_what_is_refused(moments, error, message):
    layer = nbn.BatchNorm2d(3)
    layer(draw(4))
    before = layer.state_dict(copy=True)
    with pytest.raises(error, match=message):
        layer.set_statistics(moments)
    for name, value in layer.state_dict().items():
        assert np.array_equal(value, before[name])


@pytest.mark.parametrize("name", ["running_mean", "running_var", "num_batches_tracked"])
def test_arrays_that_are_read_only(name):
    layer = read_only(name)
    before = layer.state_dict(copy=True)
    with pytest.raises(ValueError, match=READ_ONLY):
        layer.set_statistics(Moments.of(draw(4)))
    for key, value in layer.state_dict().items():
        assert np.array_equal(value, before[key])


def test_layers_without_running_statistics():
    layer = nbn.BatchNorm2d(3, track_running_stats=False)
    with pytest.raises(
        ValueError, match="must have running statistics, got track_running_stats=False"
    ):
        layer.set_statistics(Moments.of(draw(4)))
    assert layer.running_mean is layer.running_var is layer.num_batches_tracked is None
