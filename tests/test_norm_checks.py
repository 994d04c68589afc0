"""Bad input to the functions of instance, group, layer and RMS norm: the message, and no harm."""

import re

import numpy as np
import pytest
from cases import FLOATS

import numbanorm as nbn

X = np.arange(48, dtype="f4").reshape(2, 6, 4)
SIX, FOUR, TWO = np.ones(6, "f4"), np.ones(4, "f4"), np.ones((2, 6, 1), "f4")
GOOD = {
    "instance_norm": {"x": X},
    "group_norm": {"x": X, "num_groups": 2},
    "layer_norm": {"x": X, "normalized_shape": 4},
    "rms_norm": {"x": X, "normalized_shape": 4},
    "instance_norm_backward": {"dy": X, "x": X, "mean": TWO[..., 0], "rstd": TWO[..., 0]},
    "group_norm_backward": {
        "dy": X,
        "x": X,
        "mean": TWO[:, :2, 0],
        "rstd": TWO[:, :2, 0],
        "num_groups": 2,
    },
    "layer_norm_backward": {"dy": X, "x": X, "mean": TWO, "rstd": TWO, "normalized_shape": 4},
    "rms_norm_backward": {"dy": X, "x": X, "rstd": TWO, "normalized_shape": 4},
}
FORWARD = [name for name in GOOD if not name.endswith("backward")]
BACKWARD = [name for name in GOOD if name.endswith("backward")]
CHANNELS = [name for name in GOOD if name.startswith(("instance", "group"))]
ROWS = [name for name in GOOD if name not in CHANNELS]

# Which functions, what is wrong, the error and its message.
WRONG = [
    (GOOD, {"x": X.astype(int)}, TypeError, f"x must be {FLOATS}, got int64"),
    (GOOD, {"weight": np.ones(5, "f4")}, ValueError, "weight must have shape "),
    (GOOD, {"weight": 1.0}, ValueError, ", got ()"),
    (CHANNELS, {"weight": np.ones(6)}, TypeError, "weight must be float32 like x, got float64"),
    (ROWS, {"weight": np.ones(4)}, TypeError, "weight must be float32 like x, got float64"),
    (CHANNELS, {"layout": "NCW"}, ValueError, "layout must be 'NCHW' or 'NHWC', got 'NCW'"),
    (CHANNELS, {"layout": "NHWC", "weight": SIX}, ValueError, "weight must have shape (4,)"),
    (
        ROWS,
        {"normalized_shape": 5},
        ValueError,
        "normalized_shape must be x's last sizes, got (5,)",
    ),
    (ROWS, {"normalized_shape": (6, 5)}, ValueError, "got (6, 5) for shape (2, 6, 4)"),
    (ROWS, {"normalized_shape": (1, 2, 6, 4)}, ValueError, "normalized_shape must be x's last"),
    (ROWS, {"normalized_shape": ()}, ValueError, "normalized_shape must have 1 or more dim"),
    (ROWS, {"normalized_shape": 4.0}, TypeError, "normalized_shape must be an int, got 4.0"),
    (ROWS, {"normalized_shape": None}, TypeError, "normalized_shape must be an int, got None"),
    (FORWARD, {"eps": -1e-5}, ValueError, "eps must be finite and not negative, got -1e-05"),
    (FORWARD, {"eps": float("nan")}, ValueError, "eps must be finite and not negative, got nan"),
    (FORWARD, {"eps": "x"}, TypeError, "eps must be a number, got 'x'"),
    (BACKWARD, {"dy": X[:1]}, ValueError, "dy must have x's shape (2, 6, 4), got (1, 6, 4)"),
    (BACKWARD, {"dy": X.astype("f8")}, TypeError, "dy must be float32 like x, got float64"),
    (BACKWARD, {"rstd": np.ones(3, "f4")}, ValueError, "rstd must have shape "),
    (BACKWARD, {"rstd": None}, ValueError, "rstd must have shape "),
    (GOOD, {"out": X[:1].copy()}, ValueError, "out must have x's shape (2, 6, 4), got (1, 6, 4)"),
    (GOOD, {"out": X.astype("f8")}, TypeError, "out must be float32 like x, got float64"),
    (GOOD, {"out": [1]}, TypeError, "out must be a NumPy array, got list"),
    (["group_norm"], {"num_groups": 4}, ValueError, "num_groups must divide the 6 channels, got 4"),
    (["group_norm"], {"num_groups": 0}, ValueError, "num_groups must be 1 or more, got 0"),
    (["group_norm"], {"num_groups": True}, TypeError, "num_groups must be an int, got True"),
    (["group_norm"], {"x": SIX}, ValueError, "x must have 2 or more dimensions, got shape (6,)"),
    (
        ["group_norm"],
        {"x": np.ones((1, 3, 1), "f4"), "num_groups": 3, "out": None},
        ValueError,
        "x must have more than 1 value per group, got shape (1, 3, 1)",
    ),
    (
        ["instance_norm"],
        {"x": np.ones((3, 2, 1), "f4"), "out": None},
        ValueError,
        "x must have more than 1 value per channel when normalised by its own statistics",
    ),
    (["instance_norm"], {"use_input_stats": False}, ValueError, "running_mean must be an array"),
    (["instance_norm"], {"momentum": float("inf")}, ValueError, "momentum must be finite, got inf"),
    (["instance_norm"], {"running_var": FOUR}, ValueError, "running_var must have shape (6,)"),
]
CASES = [
    pytest.param(name, wrong, error, message, id=f"{name}-{'-'.join(wrong)}-{i}")
    for i, (names, wrong, error, message) in enumerate(WRONG)
    for name in names
]


@pytest.mark.parametrize(("name", "wrong", "error", "message"), CASES)
def test_wrong(name, wrong, error, message):
    out, running = np.full(X.shape, 7, "f4"), np.full(6, 7, "f4")
    given = GOOD[name] | {"out": out}
    if name == "instance_norm" and "use_input_stats" not in wrong:
        given["running_mean"] = running if "x" not in wrong else None
    with pytest.raises(error, match=re.escape(message)):
        getattr(nbn, name)(**given | wrong)
    assert (out == 7).all() and (running == 7).all()


@pytest.mark.parametrize("name", GOOD)
def test_partial_overlap_is_refused(name):
    memory = np.zeros(X.size + 8, "f4")
    x, out = memory[: X.size].reshape(X.shape), memory[8:].reshape(X.shape)
    given = GOOD[name] | {"x": x, "out": out}
    with pytest.raises(ValueError, match="out must be x itself or share no memory with it"):
        getattr(nbn, name)(**given)
    assert not memory.any()


@pytest.mark.peers
@pytest.mark.parametrize("name", GOOD)
def test_what_asarray_takes_is_taken(name):
    torch = pytest.importorskip("torch")
    wanted = getattr(nbn, name)(**GOOD[name])
    given = {
        k: torch.from_numpy(v.copy()) if isinstance(v, np.ndarray) else v
        for k, v in GOOD[name].items()
    }
    found = getattr(nbn, name)(**given)
    for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (wanted, found))):
        assert type(b) is np.ndarray and np.array_equal(a, b)


@pytest.mark.parametrize("name", GOOD)
def test_results_and_parameters_of_one_slab(name):
    """Views of one array own no memory: what is next to each other is no overlap."""
    slab = np.zeros(2 * X.size + 6, "f4")
    x, out = (slab[i * X.size :][: X.size].reshape(X.shape) for i in range(2))
    size = 6 if name in CHANNELS else 4
    weight = slab[2 * X.size :][:size]
    x[...], weight[...] = X, 2
    for result in (out, x):
        given = {k: x if v is X else v for k, v in GOOD[name].items()} | {"weight": weight}
        wanted = getattr(nbn, name)(**given)
        found = getattr(nbn, name)(**given, out=result)
        for a, b in zip(*((r if isinstance(r, tuple) else (r,)) for r in (wanted, found))):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="out must share no memory with parameters"):
        getattr(nbn, name)(**given | {"weight": out.ravel()[-size:], "out": out})


@pytest.mark.parametrize("name", ROWS)
def test_a_result_that_is_the_weight_is_refused(name):
    x, weight, one = np.arange(4, dtype="f4"), np.full(4, 2, "f4"), np.ones(1, "f4")
    given = {k: one if v is TWO else x if v is X else v for k, v in GOOD[name].items()}
    with pytest.raises(ValueError, match="out must share no memory with parameters"):
        getattr(nbn, name)(**given | {"weight": weight, "out": weight})
    assert (weight == 2).all()


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("group_norm", {"num_groups": 1}, {"num_groups": True}),
        ("group_norm", {"num_groups": 2}, {"num_groups": 2.0}),
        ("layer_norm", {"normalized_shape": (4,)}, {"normalized_shape": (4.0,)}),
        ("rms_norm", {"normalized_shape": (6, 4)}, {"normalized_shape": (6, 4.0)}),
    ],
)
def test_what_equals_a_good_argument_is_not_as_good(name, good, wrong):
    """Though the same shapes have just been worked on."""
    getattr(nbn, name)(**GOOD[name] | good)
    with pytest.raises(TypeError, match="must be an int"):
        getattr(nbn, name)(**GOOD[name] | wrong)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_layout_that_has_no_hash(name):
    with pytest.raises(ValueError, match="layout must be 'NCHW' or 'NHWC', got "):
        getattr(nbn, name)(**GOOD[name] | {"layout": ["NCHW"]})
