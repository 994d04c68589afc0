"""Bad input gets the message that says so, and nothing is written."""

import re

import numpy as np
import pytest

import numbanorm as nbn

X = np.arange(24, dtype="f4").reshape(2, 3, 4)
ONES = np.ones(3, "f4")
STATS = (ONES, ONES)
NAN, INF = float("nan"), float("inf")


def frozen(a):
    a = a.copy()
    a.flags.writeable = False
    return a


class Torn:
    """An object whose array is a new copy each time."""

    def __array__(self, dtype=None, copy=None):
        return np.ones(3, "f4")


# What is wrong, the arguments other than x's good ones, the error and its message.
BATCH_NORM = [
    ("rank 0", {"x": np.float32(1)}, ValueError, "x must have 2 or more dimensions, got shape ()"),
    ("rank 1", {"x": ONES}, ValueError, "x must have 2 or more dimensions, got shape (3,)"),
    ("int x", {"x": X.astype(int)}, TypeError, "x must be float32 or float64, got int64"),
    ("bool x", {"x": X > 0}, TypeError, "x must be float32 or float64, got bool"),
    ("half x", {"x": X.astype("f2")}, TypeError, "x must be float32 or float64, got float16"),
    ("complex x", {"x": X * 1j}, TypeError, "x must be float32 or float64, got complex64"),
    ("object x", {"x": X.astype(object)}, TypeError, "x must be float32 or float64, got object"),
    ("string x", {"x": "abc"}, TypeError, "x must be float32 or float64, got <U3"),
    (
        "ragged x",
        {"x": [[1.0], [1.0, 2.0]]},
        TypeError,
        "x must be what np.asarray takes, got list",
    ),
    ("layout", {"layout": "CHW"}, ValueError, "layout must be 'NCHW' or 'NHWC', got 'CHW'"),
    ("no layout", {"layout": None}, ValueError, "layout must be 'NCHW' or 'NHWC', got None"),
    ("weight", {"weight": np.ones(4, "f4")}, ValueError, "weight must have shape (3,), got (4,)"),
    ("axis", {"layout": "NHWC"}, ValueError, "must have shape (4,), got (3,)"),
    ("rank", {"bias": np.ones((3, 1), "f4")}, ValueError, "bias must have shape (3,), got (3, 1)"),
    ("scalar", {"weight": 1.0}, ValueError, "weight must have shape (3,), got ()"),
    ("dtype", {"weight": np.ones(3)}, TypeError, "weight must be float32 like x, got float64"),
    ("int", {"bias": np.ones(3, int)}, TypeError, "bias must be float32 like x, got int64"),
    ("var", {"running_var": ONES[:2]}, ValueError, "running_var must have shape (3,), got (2,)"),
    ("eps", {"eps": -1e-5}, ValueError, "eps must be finite and not negative, got -1e-05"),
    ("eps nan", {"eps": NAN}, ValueError, "eps must be finite and not negative, got nan"),
    ("eps inf", {"eps": INF}, ValueError, "eps must be finite and not negative, got inf"),
    ("eps huge", {"eps": 10**400}, ValueError, "eps must be finite and not negative, got 1000"),
    ("eps str", {"eps": "1e-5"}, TypeError, "eps must be a number, got '1e-5'"),
    ("eps None", {"eps": None}, TypeError, "eps must be a number, got None"),
    ("out list", {"out": []}, TypeError, "out must be a NumPy array, got list"),
    (
        "out shape",
        {"out": X[:1].copy()},
        ValueError,
        "out must have x's shape (2, 3, 4), got (1, 3",
    ),
    ("out dtype", {"out": X.astype("f8")}, TypeError, "out must be float32 like x, got float64"),
    ("out int", {"out": X.astype("i4")}, TypeError, "out must be float32 like x, got int32"),
    ("out frozen", {"out": frozen(X)}, ValueError, "out must be writeable, got a read-only array"),
]
TRAINING = [
    ("var dtype", {"running_var": np.ones(3)}, TypeError, "running_var must be float32 like x"),
    ("momentum", {"momentum": INF}, ValueError, "momentum must be finite, got inf"),
    ("momentum None", {"momentum": None}, TypeError, "momentum must be a number, got None"),
    (
        "list",
        {"running_mean": [1.0] * 3},
        TypeError,
        "running_mean must be an array that training can update in place, got list",
    ),
    (
        "torn",
        {"running_var": Torn()},
        TypeError,
        "running_var must be an array that training can update in place, got Torn",
    ),
    (
        "frozen",
        {"running_var": frozen(ONES)},
        ValueError,
        "running_var must be writeable to be updated in place, got a read-only array",
    ),
    (
        "one value",
        {"x": X[:1, :, :1]},
        ValueError,
        "x must have more than 1 value per channel when training, got shape (1, 3, 1)",
    ),
]
INFERENCE = [
    (
        "var dtype",
        {"running_var": np.ones(3, "f2")},
        TypeError,
        "running_var must be float64 or float32, got float16",
    ),
    (
        "no mean",
        {"running_mean": None},
        ValueError,
        "running_mean must be an array when training is False, got None",
    ),
    (
        "no var",
        {"running_var": None},
        ValueError,
        "running_var must be an array when training is False, got None",
    ),
]


def table(*parts):
    return [
        pytest.param(*row[1:], training, id=f"{row[0]}-{'train' if training else 'eval'}")
        for rows, modes in parts
        for row in rows
        for training in modes
    ]


@pytest.mark.parametrize(
    ("wrong", "error", "message", "training"),
    table((BATCH_NORM, (True, False)), (TRAINING, (True,)), (INFERENCE, (False,))),
)
def test_batch_norm(wrong, error, message, training):
    mean, var, out = np.zeros(3, "f4"), np.ones(3, "f4"), np.full(X.shape, 7, "f4")
    given = {"x": X, "running_mean": mean, "running_var": var, "training": training}
    if "x" not in wrong:
        given["out"] = out
    before = X.copy()
    with pytest.raises(error, match=re.escape(message)):
        nbn.batch_norm(**{**given, **wrong})
    assert not mean.any() and (var == 1).all() and (out == 7).all()
    np.testing.assert_array_equal(X, before)


DY = [
    ("dy shape", {"dy": X[:1]}, ValueError, "dy must have x's shape (2, 3, 4), got (1, 3, 4)"),
    ("dy dtype", {"dy": X.astype("f8")}, TypeError, "dy must be float32 like x, got float64"),
    ("dy int", {"dy": X.astype("i4")}, TypeError, "dy must be float32 or float64, got int32"),
    ("x rank", {"x": ONES, "dy": ONES}, ValueError, "x must have 2 or more dimensions"),
    ("mean", {"mean": ONES[:2]}, ValueError, "mean must have shape (3,), got (2,)"),
    ("rstd", {"rstd": ONES[:2]}, ValueError, "rstd must have shape (3,), got (2,)"),
    ("half", {"rstd": ONES.astype("f2")}, TypeError, "rstd must be float64 or float32, got"),
    ("None", {"mean": None}, ValueError, "mean must have shape (3,), got ()"),
    ("weight", {"weight": np.ones(3)}, TypeError, "weight must be float32 like x, got float64"),
    ("layout", {"layout": "nchw"}, ValueError, "layout must be 'NCHW' or 'NHWC', got 'nchw'"),
    ("out", {"out": frozen(X)}, ValueError, "out must be writeable, got a read-only array"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), [row[1:] for row in DY])
def test_batch_norm_backward(wrong, error, message):
    out = np.full(X.shape, 7, "f4")
    given = {"dy": X, "x": X, "mean": ONES, "rstd": ONES, "out": out, **wrong}
    with pytest.raises(error, match=re.escape(message)):
        nbn.batch_norm_backward(**given)
    assert (out == 7).all()


CHANNELS = [
    (lambda: nbn.channel_mean_var(X[0, 0]), ValueError, "x must have 2 or more dimensions"),
    (lambda: nbn.channel_mean_var(X > 0), TypeError, "x must be uint8, uint16, int16, "),
    (
        lambda: nbn.channel_mean_var(X, layout=0),
        ValueError,
        "layout must be 'NCHW' or 'NHWC', got 0",
    ),
    (
        lambda: nbn.channel_mean_var(X, correction=8),
        ValueError,
        "correction must be less than the 8 values of a channel, got 8",
    ),
    (lambda: nbn.channel_mean_var(X, correction=NAN), ValueError, "correction must be finite, got"),
    (
        lambda: nbn.channel_mean_var(X, correction=""),
        TypeError,
        "correction must be a number, got ''",
    ),
    (
        lambda: nbn.channel_normalize(X, [0] * 4, ONES),
        ValueError,
        "mean must have shape (3,), got (4,)",
    ),
    (lambda: nbn.channel_normalize(X, ONES, 1), ValueError, "std must have shape (3,), got ()"),
    (
        lambda: nbn.channel_normalize(X, ONES * 1j, ONES),
        TypeError,
        "mean must be real numbers, got c",
    ),
    (
        lambda: nbn.channel_normalize(X, ONES, list("abc")),
        TypeError,
        "std must be real numbers, got 'a'",
    ),
    (lambda: nbn.set_num_threads(0), ValueError, "n must be 1 or more, got 0"),
    (lambda: nbn.set_num_threads(1.0), TypeError, "n must be an int, got 1.0"),
    (lambda: nbn.set_num_threads(True), TypeError, "n must be an int, got True"),
]


@pytest.mark.parametrize(("call", "error", "message"), CHANNELS)
def test_channel_functions_and_threads(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


OVERLAP_X = "out must be x itself or share no memory with it, got an overlap"
OVERLAP = "out must share no memory with parameters and statistics, got an overlap"


@pytest.mark.parametrize("training", [True, False])
class TestOverlap:
    def test_shifted_x(self, training):
        memory = np.ones((3, 3, 4), "f4")
        with pytest.raises(ValueError, match=OVERLAP_X):
            nbn.batch_norm(memory[1:], *STATS, training=training, out=memory[:-1])
        assert (memory == 1).all()

    def test_reversed_x(self, training):
        x = X.copy()
        with pytest.raises(ValueError, match=OVERLAP_X):
            nbn.batch_norm(x, *STATS, training=training, out=x[::-1])
        np.testing.assert_array_equal(x, X)

    def test_interleaved_is_none(self, training):
        memory = np.ones((2, 3, 8), "f4")
        nbn.batch_norm(memory[..., ::2], *STATS, training=training, out=memory[..., 1::2])
        assert (memory[..., ::2] == 1).all()

    @pytest.mark.parametrize("name", ["weight", "bias", "running_mean", "running_var"])
    def test_parameter(self, training, name):
        out = np.ones((2, 3, 4), "f4")
        given = {"running_mean": ONES, "running_var": ONES, name: out[0, 0, :3]}
        with pytest.raises(ValueError, match=OVERLAP):
            nbn.batch_norm(X, **given, training=training, out=out)
        assert (out == 1).all()


def test_overlap_of_backward():
    memory = np.ones((3, 3, 4), "f4")
    with pytest.raises(ValueError, match=OVERLAP_X):
        nbn.batch_norm_backward(memory[1:], X, *STATS, out=memory[:-1])
    with pytest.raises(ValueError, match=OVERLAP_X):
        nbn.batch_norm_backward(X, memory[1:], *STATS, out=memory[:-1])
    with pytest.raises(ValueError, match=OVERLAP):
        nbn.batch_norm_backward(X, X, ONES, memory[0, 0, :3], out=memory[:-1])


LAYERS = [
    ({"num_features": -1}, ValueError, "num_features must be 0 or more, got -1"),
    ({"num_features": 2.0}, TypeError, "num_features must be an int, got 2.0"),
    ({"eps": -1}, ValueError, "eps must be finite and not negative, got -1"),
    ({"momentum": NAN}, ValueError, "momentum must be finite, got nan"),
    ({"layout": "HWC"}, ValueError, "layout must be 'NCHW' or 'NHWC', got 'HWC'"),
    ({"dtype": "i4"}, TypeError, "dtype must be float32 or float64, got int32"),
    ({"dtype": "float"}, None, ""),
    ({"dtype": None}, TypeError, "dtype must be float32 or float64, got None"),
    ({"dtype": "nonsense"}, TypeError, "dtype must be float32 or float64, got nonsense"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), LAYERS)
def test_layer_arguments(wrong, error, message):
    if error is None:
        assert nbn.BatchNorm2d(3, **wrong).dtype == np.float64
        return
    with pytest.raises(error, match=re.escape(message)):
        nbn.BatchNorm2d(**{"num_features": 3, **wrong})


INPUTS = [
    ("1d", (2, 3, 4, 5), "f4", ValueError, "x must have 2 or 3 dimensions, got shape (2, 3, 4, 5)"),
    ("2d", (2, 3, 4), "f4", ValueError, "x must have 4 dimensions, got shape (2, 3, 4)"),
    ("3d", (2, 3, 4, 5), "f4", ValueError, "x must have 5 dimensions, got shape (2, 3, 4, 5)"),
    ("1d", (2, 4), "f4", ValueError, "x must have 3 channels in layout NCHW, got shape (2, 4)"),
    ("1d", (2, 3), "f8", TypeError, "x must be float32 like the layer, got float64"),
    ("1d", (1, 3), "f4", ValueError, "x must have more than 1 value per channel when training"),
]


@pytest.mark.parametrize(("kind", "shape", "dtype", "error", "message"), INPUTS)
def test_layer_input(kind, shape, dtype, error, message):
    layer = getattr(nbn, f"BatchNorm{kind}")(3)
    with pytest.raises(error, match=re.escape(message)):
        layer(np.zeros(shape, dtype))
    assert layer.num_batches_tracked == 0
    assert not layer.running_mean.any() and (layer.running_var == 1).all()


STATES = [
    ({"weight": None}, ValueError, "got missing ['weight']"),
    ({"more": ONES}, ValueError, "got unexpected ['more']"),
    ({"weight": None, "more": ONES}, ValueError, "got missing ['weight'] and unexpected ['more']"),
    ({"running_var": ONES[:2]}, ValueError, "running_var must have shape (3,), got (2,)"),
    ({"bias": ONES * 1j}, TypeError, "bias must be real numbers, got complex64"),
    ({"num_batches_tracked": [1]}, ValueError, "num_batches_tracked must have shape (), got (1,)"),
]


@pytest.mark.parametrize(("wrong", "error", "message"), STATES)
def test_load_state_dict(wrong, error, message):
    layer = nbn.BatchNorm1d(3)
    state = {name: np.full_like(value, 5) for name, value in layer.state_dict().items()}
    state = {name: value for name, value in {**state, **wrong}.items() if value is not None}
    with pytest.raises(error, match=re.escape(message)):
        layer.load_state_dict(state)
    assert (layer.running_var == 1).all() and not layer.bias.any() and (layer.weight == 1).all()


def test_backward_before_a_call():
    with pytest.raises(RuntimeError, match="must follow a call that saved its input, got none"):
        nbn.BatchNorm1d(3).backward(X)
