"""What carries more than its numbers is refused, in words; lists of numbers are taken anywhere."""

import array
import re
import warnings
from collections import UserList, deque
from fractions import Fraction

import numpy as np
import pytest
from cases import FLOATS

import numbanorm as nbn

X = np.random.default_rng(0).normal(3, 2, (6, 3, 4)).astype(np.float32)
ROWS = X[0]
VALUES = [0.5, 1.0, 2.0]


def refused(message, call, *arguments, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(TypeError, match=re.escape(message)):
            call(*arguments, **keywords)


def masked(values=ROWS, mask=0):
    return np.ma.MaskedArray(values, mask=mask)


MASKED = "is a masked array, whose mask would be lost: pass {0}.filled(value) or {0}.data"


@pytest.mark.parametrize("mask", [False, True, np.ma.nomask], ids=str)
def test_masked_arrays(mask):
    """Of a value that a mask hides, 1e36 say, the mean would be 1e35."""
    wanted = MASKED.format("x")
    refused(wanted, nbn.layer_norm, masked(mask=mask), 4)
    refused(wanted, nbn.channel_mean_var, masked(X, mask))
    refused(wanted, nbn.BatchNorm1d(3), masked(X, mask))
    refused(wanted.replace("x.", "x[0]."), nbn.layer_norm, [masked(mask=mask)] * 2, 4)
    nbn.layer_norm(masked(mask=mask).data, 4)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["running_mean", "running_var", "weight", "bias"])
def test_masked_parameters(name, training):
    given = {"running_mean": np.zeros(3, "f4"), "running_var": np.ones(3, "f4")}
    given[name] = masked(np.ones(3, "f4"))
    refused(MASKED.format(name), nbn.batch_norm, X, **given, training=training)
    assert (given[name].data == 1).all()


def test_masked_statistics_and_states():
    y, mean, rstd = nbn.batch_norm(X, training=True, return_stats=True)
    for name, given in {
        "dy": (masked(y), X, mean, rstd),
        "x": (y, masked(X), mean, rstd),
        "mean": (y, X, masked(mean), rstd),
        "rstd": (y, X, mean, masked(rstd)),
    }.items():
        refused(MASKED.format(name), nbn.batch_norm_backward, *given)
    refused(MASKED.format("std"), nbn.channel_normalize, X, mean, masked(rstd))
    state = nbn.LayerNorm(3).state_dict() | {"bias": masked(np.ones(3, "f4"))}
    refused(MASKED.format("bias"), nbn.LayerNorm(3).load_state_dict, state)


def test_where_results_go(tmp_path):
    """What is lost there is the caller's own."""
    wanted = "out is a masked array, whose mask would be lost: pass out.data"
    out = masked(np.zeros_like(ROWS))
    refused(wanted, nbn.layer_norm, ROWS, 4, out=out)
    assert not out.data.any()
    y = nbn.layer_norm(ROWS, 4)
    for out in (
        np.memmap(tmp_path / "out", np.float32, "w+", shape=ROWS.shape),
        np.zeros_like(ROWS).view(np.matrix),
        np.zeros_like(ROWS).view(np.recarray),
    ):
        assert nbn.layer_norm(ROWS, 4, out=out) is out
        np.testing.assert_array_equal(np.asarray(out), y)
        out[...] = 0
        assert nbn.layer_norm(np.asfortranarray(ROWS), 4, out=out) is out
        np.testing.assert_array_equal(np.asarray(out), y)
        out[...] = ROWS
        assert nbn.layer_norm(out, 4, out=out) is out
        np.testing.assert_array_equal(np.asarray(out), y)
    refused("out must be a NumPy array, got list", nbn.layer_norm, ROWS, 4, out=ROWS.tolist())
    refused("out must be a NumPy array, got memoryview", nbn.layer_norm, ROWS, 4, out=ROWS.data)


HINTS = {
    "objects": (ROWS.astype(object), ": pass np.asarray(x, np.float32), with NaN for what is"),
    "strings": (ROWS.astype(str), ": pass np.asarray(x, np.float32)"),
    "fields": (np.zeros((2, 3), [("a", "f4"), ("b", "f4")]), ": pass a field of it, as x['a']"),
}


@pytest.mark.parametrize(("x", "hint"), HINTS.values(), ids=HINTS)
def test_dtypes_that_hold_no_numbers(x, hint):
    refused(f"x must be {FLOATS}, got {x.dtype}{hint}", nbn.layer_norm, x, 3)
    weight = np.ravel(x)[:4]
    refused(hint.replace("x,", "weight,").replace("x[", "weight["), nbn.layer_norm, ROWS, 4, weight)
    hint = hint.replace("x,", "std,").replace("x[", "std[")
    refused(hint, nbn.channel_normalize, X, VALUES, np.ravel(x)[:3])


class Pint:
    """As pint's Quantity."""

    units, magnitude = "meter", ROWS

    def __array__(self, dtype=None, copy=None):
        return self.magnitude


class Unyt(np.ndarray):
    """As unyt's arrays."""

    def __array_finalize__(self, other):
        self.units = "m"

    @property
    def value(self):
        return np.asarray(self)


class Sparse:
    """As those of pydata's sparse."""

    nnz = 3

    def todense(self):
        return ROWS


class Arrow:
    """As pyarrow's arrays, where missing values are NaN to NumPy."""

    null_count = 2

    def __array__(self, dtype=None, copy=None):
        return np.full_like(ROWS, np.nan)


class Polars(Arrow):
    def null_count(self):
        return 1


class Masked(np.ndarray):
    """As astropy's."""

    mask = True

    @property
    def unmasked(self):
        return np.asarray(self)


class Awkward:
    def __array__(self, dtype=None, copy=None):
        raise ValueError("cannot convert 'None' values")


class Dask:
    """As an array of Dask's, of whose chunks only the kind is known."""

    def __init__(self, meta):
        self._meta = meta

    def __array__(self, dtype=None, copy=None):
        return ROWS


Awkward.__module__, Dask.__module__ = "awkward.highlevel", "dask.array.core"

STAND_INS = {
    "pint": (Pint(), "has a unit, which would be lost: pass x.magnitude"),
    "unyt": (ROWS.view(Unyt), "has a unit, which would be lost: pass x.value"),
    "sparse": (Sparse(), "is sparse, which NumPy's arrays are not: pass x.todense()"),
    "pyarrow": (Arrow(), "has 2 missing values: pass x.fill_null(value)"),
    "polars": (Polars(), "has 1 missing values: pass x.fill_null(value)"),
    "astropy": (ROWS.view(Masked), MASKED.format("x").replace(".data", ".unmasked")),
    "dask": (Dask(masked()), MASKED.format("x.compute()")),
    "awkward": (Awkward(), "cannot convert 'None' values): pass ak.fill_none(x, value), padded"),
}


@pytest.mark.parametrize(("x", "message"), STAND_INS.values(), ids=STAND_INS)
def test_what_behaves_like(x, message):
    refused(message, nbn.layer_norm, x, 4)


def test_nothing_missing():
    class Whole(Arrow):
        null_count = 0

    assert np.isnan(nbn.layer_norm(Whole(), 4)).all()
    np.testing.assert_array_equal(nbn.layer_norm(Dask(ROWS), 4), nbn.layer_norm(ROWS, 4))


def test_pint():
    x = pytest.importorskip("pint").UnitRegistry().Quantity(ROWS, "m")
    refused("x has a unit, which would be lost: pass x.magnitude", nbn.layer_norm, x, 4)


def test_astropy():
    units = pytest.importorskip("astropy.units")
    x = ROWS * units.m
    refused("x has a unit, which would be lost: pass x.value", nbn.layer_norm, x, 4)
    refused("out has a unit, which would be lost: pass out.value", nbn.layer_norm, ROWS, 4, out=x)
    nbn.layer_norm(x.value, 4, out=x.value)


@pytest.mark.parametrize("kind", ["csr_matrix", "coo_array"])
def test_scipy(kind):
    x = getattr(pytest.importorskip("scipy.sparse"), kind)(ROWS)
    refused("x is sparse, which NumPy's arrays are not: pass x.toarray()", nbn.layer_norm, x, 4)


def test_pandas():
    pandas = pytest.importorskip("pandas")
    wanted = nbn.layer_norm(ROWS, 4)
    np.testing.assert_array_equal(nbn.layer_norm(pandas.DataFrame(ROWS), 4), wanted)
    x = pandas.DataFrame(ROWS).astype("Float32")
    try:
        np.testing.assert_array_equal(nbn.layer_norm(x, 4), wanted)
        x.iloc[1, 2] = pandas.NA
        y = nbn.layer_norm(x, 4)
    except TypeError as error:
        # Before pandas 3 these are arrays of objects.
        assert "got object: pass np.asarray(x, np.float32), with NaN for what is m" in str(error)
    else:
        assert np.isnan(y[1]).all() and np.isfinite(y[[0, 2]]).all()
    x = pandas.DataFrame({"a": [1.0, 2.0], "b": ["c", "d"]})
    refused(f"x must be {FLOATS}, got object: pass np.asarray(x", nbn.layer_norm, x, 2)


def test_xarray():
    xarray = pytest.importorskip("xarray")
    x = xarray.DataArray(ROWS, attrs={"units": "m", "nnz": 3})
    np.testing.assert_array_equal(nbn.layer_norm(x, 4), nbn.layer_norm(ROWS, 4))
    pint = pytest.importorskip("pint")
    x = xarray.DataArray(pint.UnitRegistry().Quantity(ROWS, "m"))
    refused("x.data has a unit, which would be lost: pass x.data.magnit", nbn.layer_norm, x, 4)


@pytest.mark.peers
def test_tensors():
    torch = pytest.importorskip("torch")
    x = torch.tensor(ROWS)
    np.testing.assert_array_equal(nbn.layer_norm(x, 4), nbn.layer_norm(ROWS, 4))
    leaf = x.clone().requires_grad_()
    layer = torch.nn.LayerNorm(4, dtype=torch.bfloat16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = [
            (leaf, "requires grad: pass x.detach()"),
            (x.to_sparse(), "has the layout torch.sparse_coo: pass x.to_dense()"),
            (x.to_sparse_csr(), "has the layout torch.sparse_csr: pass x.to_dense()"),
            (
                torch.quantize_per_tensor(x, 1.0, 0, torch.quint8),
                "is quantized: pass x.dequantize()",
            ),
            (torch.complex(x, x).conj(), "is conjugated lazily: pass x.resolve_conj()"),
            (torch.complex(x, x).conj().imag, "is negated lazily: pass x.resolve_neg()"),
            (layer.weight, "requires grad: pass x.detach()"),
        ]
    for given, message in cases:
        refused(f"x is a tensor that {message}", nbn.layer_norm, given, 4)
        if given.dtype != torch.complex64:
            remedy = message.partition("pass x")[2]
            nbn.layer_norm(eval(f"x{remedy}", {"x": given}), 4)

    class Elsewhere(torch.Tensor):
        device = torch.device("cuda:0")

    message = "x is a tensor that requires grad and is on the device cuda:0: pass x.detach().cpu()"
    refused(message, nbn.layer_norm, leaf.as_subclass(Elsewhere), 4)
    message = "x[1] is a tensor that is of bfloat16: pass x[1].float()"
    refused(message, nbn.layer_norm, [x, x.bfloat16()], 4)
    meta = x.to("meta")
    refused("x is a tensor on the device meta, which has no values", nbn.layer_norm, meta, 4)
    refused("weight is a tensor that requires grad", nbn.layer_norm, x, 4, leaf[0])
    refused(
        "out must be a NumPy array, got Tensor: pass out.detach().numpy()",
        *(nbn.layer_norm, ROWS, 4),
        out=leaf,
    )


SEQUENCES = {
    "list": list,
    "tuple": tuple,
    "deque": deque,
    "UserList": UserList,
    "ints": lambda values: [1, 2, 4],
    "mixed": lambda values: [1, 2.0, Fraction(4)],
    "scalars": lambda values: [np.float64(1), np.int8(2), np.float32(4)],
    "arrays": lambda values: list(np.array(values)),
    "large ints": lambda values: [2**70, 1, 3],
    "range": lambda values: range(1, 4),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", SEQUENCES.values(), ids=SEQUENCES)
def test_lists_of_numbers(make, dtype):
    """They have no dtype that could be another one than x's."""
    x, given = X.astype(dtype), make([1.0, 2.0, 4.0])
    typed = np.array([float(value) for value in given], dtype)

    def results(values):
        yield nbn.batch_norm(x, None, None, values, values, training=True)
        yield nbn.batch_norm(x, values, values, values, values)
        yield nbn.instance_norm(x, values, values, use_input_stats=False)
        yield nbn.group_norm(x, 3, values, values)
        yield nbn.layer_norm(x[..., :3], 3, values, values)
        yield nbn.rms_norm(x[..., :3], 3, values)
        yield nbn.channel_normalize(x, values, values)
        yield from nbn.batch_norm_backward(x, x, values, values, values)
        yield from nbn.batch_norm_backward(x, x, values, typed, values)

    for got, wanted in zip(results(given), results(typed), strict=True):
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, wanted)


def test_nested_lists():
    dy, weight = X[0].tolist(), [[1, 2, 3, 4]] * 3
    y, mean, rstd = nbn.layer_norm(ROWS, (3, 4), weight, return_stats=True)
    np.testing.assert_array_equal(y, nbn.layer_norm(ROWS, (3, 4), np.array(weight, "f4")))
    given = mean.tolist(), rstd.tolist(), (3, 4), weight
    dx, _, _ = nbn.layer_norm_backward(dy, ROWS, *given)
    wanted, _, _ = nbn.layer_norm_backward(X[0], ROWS, *given)
    np.testing.assert_array_equal(dx, wanted)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([True, False, True], "weight must be real numbers, got True"),
        ([1.0, True, 2], "weight must be real numbers, got True"),
        ([1.0, None, 2.0], "weight must be real numbers, got None"),
        (["1", "2", "3"], "weight must be real numbers, got '1'"),
        ([1.0, 2.0, 1j], "weight must be real numbers, got 1j"),
        ([1.0, 2.0, 10**400], "weight must be real numbers that float32 has"),
        ([1.0, [2.0], 3.0], "weight must be what np.asarray takes, got list"),
        (array.array("d", [1, 2, 3]), "weight must be float32 like x, got float64"),
        (np.ones(3), "weight must be float32 like x, got float64"),
        (memoryview(np.ones(3)), "weight must be float32 like x, got float64"),
    ],
    # A memoryview says where it is.
    ids=lambda value: repr(value).partition(" at ")[0],
)
def test_lists_of_other_things(weight, message):
    refused(message, nbn.batch_norm, X, weight=weight, training=True)


def test_lists_of_another_shape():
    with pytest.raises(ValueError, match=re.escape("weight must have shape (3,), got (2,)")):
        nbn.batch_norm(X, weight=[1, 2], training=True)


def test_lists_that_training_would_update():
    with pytest.raises(TypeError, match="running_mean must be an array that training can update"):
        nbn.batch_norm(X, [0, 0, 0], np.ones(3, "f4"), training=True)


def test_numbers_beyond_the_dtype():
    """As in NumPy's cast, but without its warning, which np.errstate may make an error."""
    with np.errstate(all="raise"):
        y = nbn.batch_norm(X, weight=[1e300, 1, 1], training=True)
    assert not np.isfinite(y[:, 0]).any() and np.isfinite(y[:, 1:]).all()
