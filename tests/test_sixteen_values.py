"""Floats of 16 bits where they end, and what may stand beside them."""

import re

import cases
import numpy as np
import pytest
from norm_calls import forward, inputs
from norm_row import Case
from norms import NORMS
from processes import run
from test_sixteen import KINDS, LAYOUTS, half_unit

import numbanorm as nbn

CHANNELS = pytest.mark.parametrize("name", ["batch", "instance", "group"])
GROUPS = {"num_groups": 35}


def case_of(name, layout="NCHW"):
    return Case((4, 70, 6), layout, GROUPS if name == "group" else {})


@KINDS
@pytest.mark.parametrize("name", ["batch", "instance"])
@pytest.mark.parametrize("own", [True, False], ids=["own", "float32"])
def test_running_statistics(name, own, kind):
    """In x's dtype each is float64's, rounded once."""
    dtype = cases.dtype_of(kind)
    x, case = cases.normal((4, 70, 6), dtype), case_of(name)
    for types in ((dtype, dtype), (dtype, np.float32), (np.float32, dtype)):
        found = [a.astype(t) for a, t in zip(cases.running_arrays(70, np.float32), types)]
        before = [a.astype(np.float32) for a in found]
        wanted = NORMS[name].reference(case).running(*before, x.astype(np.float32), 0.3)
        arrays = found if own else [a.astype(np.float32) for a in found]
        more = dict(zip(("running_mean", "running_var"), arrays), momentum=0.3)
        assert NORMS[name].forward(x, case, **more).dtype == dtype
        for got, right in zip(arrays, wanted):
            error = np.abs(got.astype(np.float64) - right)
            allowed = half_unit(right, dtype) if got.dtype == dtype else np.abs(right) * 2.0**-23
            assert (error <= allowed * (1 + 1e-9) + 1e-12).all()


@pytest.mark.parametrize(("kind", "half"), [("float16", 2.0**-11), ("bfloat16", 2.0**-8)])
def test_running_statistics_are_rounded_once(kind, half):
    """1 + half + 2**-40 is 1 + half in float32, and that goes to the even neighbour, 1."""
    dtype = cases.dtype_of(kind)
    x, momentum = np.full((2, 70, 3), 2, dtype), half + 2.0**-40
    mean, var = np.ones(70, dtype), np.full(70, 1, np.float32)
    nbn.batch_norm(x, mean, var, training=True, momentum=momentum)
    assert (mean == dtype.type(1 + 2 * half)).all()
    mean = np.ones((70, 2), dtype)[:, 0]
    nbn.batch_norm(x, mean, None, training=True, momentum=momentum)
    assert (mean == dtype.type(1 + 2 * half)).all()


@KINDS
@LAYOUTS
@CHANNELS
def test_beyond_the_largest(name, layout, kind):
    """Infinite, as in NumPy's cast, and nothing else is."""
    dtype, norm, case = cases.dtype_of(kind), NORMS[name], case_of(name, layout)
    x = cases.normal(case.arranged, dtype)
    largest = 65504.0 if kind == "float16" else float(np.finfo(np.float32).max)
    weight = np.full(70, largest / 2, np.float32)
    y = norm.forward(x, case, weight)
    with np.errstate(over="ignore"):
        wanted = norm.forward(x.astype(np.float32), case, weight).astype(dtype)
    assert np.isinf(y).any() and np.isfinite(y).any()
    assert np.array_equal(y, wanted)


@KINDS
@LAYOUTS
@CHANNELS
def test_nan_stays_in_its_channel(name, layout, kind):
    norm, case = NORMS[name], case_of(name, layout)
    x, dy, weight, bias = (a.astype(cases.dtype_of(kind)) for a in inputs(norm, case))
    stat, _ = norm.parts(case)
    hit = stat == stat.max() // 2
    wanted = forward(norm, case, x, weight, bias)
    clean = norm.backward(dy, x, *wanted[1:], case, weight)[0]
    x[np.unravel_index(np.flatnonzero(hit)[-1], x.shape)] = np.nan
    y, mean, rstd = forward(norm, case, x, weight, bias)
    dx = norm.backward(dy, x, mean, rstd, case, weight)[0]
    for got, right in ((y, wanted[0]), (dx, clean)):
        assert np.isnan(got[hit]).all()
        assert np.array_equal(got[~hit], right[~hit])


@KINDS
@LAYOUTS
@CHANNELS
@pytest.mark.parametrize("value", [0, 100.1, 6e4, -1e-7])
def test_constant_gives_exactly_bias(name, layout, kind, value):
    dtype, norm, case = cases.dtype_of(kind), NORMS[name], case_of(name, layout)
    _, _, weight, bias = inputs(norm, case)
    x = np.full(case.arranged, value, dtype)
    for given in (bias, bias.astype(dtype)):
        y = norm.forward(x, case, weight, given)
        assert np.array_equal(y, norm.reference(case).weights(given, 0).astype(dtype))


@KINDS
def test_an_empty_batch(kind):
    dtype = cases.dtype_of(kind)
    x, mean, var = np.empty((0, 3, 4), dtype), np.zeros(3, dtype), np.ones(3, np.float32)
    y, m, r = nbn.batch_norm(x, mean, var, training=True, return_stats=True)
    assert y.shape == x.shape and y.dtype == dtype
    assert m.dtype == np.float64 and np.isnan(m).all() and np.isnan(r).all()
    assert (mean == 0).all() and (var == 1).all()
    dx, dweight, dbias = nbn.batch_norm_backward(x, x, m, r)
    assert dx.dtype == dtype and dweight.dtype == dbias.dtype == np.float32
    assert not dweight.any() and not dbias.any()
    assert nbn.layer_norm(x, 4).dtype == dtype


@KINDS
def test_statistics_of_channels(kind):
    dtype = cases.dtype_of(kind)
    x = cases.normal((4, 70, 6), dtype)
    mean, var = nbn.channel_mean_var(x, correction=1)
    wide = x.astype(np.float32)
    found = nbn.channel_mean_var(wide, correction=1)
    assert np.array_equal(mean, found[0]) and np.array_equal(var, found[1])
    for given in (np.sqrt(var), np.sqrt(var).astype(dtype)):
        y = nbn.channel_normalize(x, mean.astype(given.dtype), given)
        wanted = nbn.channel_normalize(wide, mean.astype(given.dtype), given)
        assert y.dtype == dtype and np.array_equal(y, wanted.astype(dtype))


@KINDS
def test_the_default_eps_is_float32s(kind):
    """PyTorch computes in float32, too."""
    x = (cases.normal((5, 70), np.float32) / 1024).astype(cases.dtype_of(kind))
    wanted = nbn.rms_norm(x, 70, eps=2.0**-23)
    assert np.array_equal(nbn.rms_norm(x, 70), wanted)
    assert np.array_equal(nbn.RMSNorm(70, dtype=kind)(x), wanted)
    assert np.array_equal(nbn.RMSNorm(70)(x), wanted)
    assert not np.array_equal(nbn.rms_norm(x, 70, eps=2.0**-10), wanted)


X = cases.normal((2, 3, 4), np.float16)
LIKE = "must be float16 like x, or float32, got"
STATISTICS = "must be float64 or float32, or float16 like x, got"
REFUSED = {
    "weight": ({"weight": np.ones(3)}, f"weight {LIKE} float64"),
    "bias": ({"bias": np.ones(3, int)}, f"bias {LIKE} int64"),
    "running": ({"running_mean": np.ones(3)}, f"running_mean {LIKE} float64"),
    "inference": (
        {"running_mean": np.ones(3, "g"), "running_var": np.ones(3), "training": False},
        f"running_mean {STATISTICS} {np.dtype('g')}",
    ),
    "out": ({"out": np.empty(X.shape, "f4")}, "out must be float16 like x, got float32"),
    "int8": ({"x": X.view("i1")}, f"x must be {cases.FLOATS}, got int8"),
    "bool": ({"x": X.view("?")}, f"x must be {cases.FLOATS}, got bool"),
    "uint16": ({"x": X.view("u2")}, f"x must be {cases.FLOATS}, got uint16"),
    "void": ({"x": X.view("V2")}, f"x must be {cases.FLOATS}, got |V2"),
}


@pytest.mark.parametrize(("wrong", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(wrong, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        nbn.batch_norm(**{"x": X, "training": True} | wrong)


def test_gradients_are_of_one_dtype():
    _, mean, rstd = nbn.batch_norm(X, training=True, return_stats=True)
    for dy in (X.astype("f4"), X.astype("f8"), X.astype(cases.dtype_of("bfloat16"))):
        with pytest.raises(TypeError, match=f"dy must be float16 like x, got {dy.dtype}"):
            nbn.batch_norm_backward(dy, X, mean, rstd)
    with pytest.raises(TypeError, match="rstd must be float64 or float32, got float16"):
        nbn.batch_norm_backward(X, X, mean, rstd.astype("f2"))


@KINDS
def test_lists_of_numbers(kind):
    """They become float32 parameters, and a gradient of x's dtype."""
    dtype = cases.dtype_of(kind)
    x, values = X.astype(dtype), [1, 0.1, dtype.type(3)]
    typed = np.array([float(one) for one in values], np.float32)
    y, mean, rstd = nbn.batch_norm(x, None, None, values, values, True, return_stats=True)
    assert np.array_equal(y, nbn.batch_norm(x, None, None, typed, typed, True))
    dx = nbn.batch_norm_backward(X.tolist(), x, mean, rstd, values)[0]
    assert np.array_equal(dx, nbn.batch_norm_backward(x, x, mean, rstd, typed)[0])


MISSING = """
import sys
import numpy as np

sys.modules["ml_dtypes"] = None
import numbanorm as nbn

x = np.array([[1, 3], [20, 40]], np.float16)
assert nbn.layer_norm(x, 2, eps=0.0).tolist() == [[-1, 1], [-1, 1]]
assert nbn.LayerNorm(2, dtype="float16").weight.dtype == np.float16
for call in (lambda: nbn.LayerNorm(2, dtype="bfloat16"), lambda: nbn.warmup("rms", "bfloat16")):
    try:
        call()
    except TypeError as error:
        print(error)
if "torch" in sys.argv:
    import torch
    try:
        nbn.layer_norm(torch.ones(2, 3, dtype=torch.bfloat16), 3)
    except TypeError as error:
        print(error)
"""


def test_ml_dtypes_is_missing():
    message = "dtype must be float16, float32 or float64, got bfloat16: install ml_dtypes for that"
    assert run(MISSING).splitlines() == [message] * 2


@pytest.mark.peers
def test_ml_dtypes_is_missing_beside_torch():
    pytest.importorskip("torch")
    *_, last = run(MISSING, "torch", options=("-W", "ignore")).splitlines()
    assert last == "x is a tensor that is of bfloat16, without ml_dtypes: pass x.float()"
