"""Arrays of every origin and every strangeness; what NumPy takes, and what DLPack hands over."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from processes import run

import numbanorm as nbn

X = np.random.default_rng(0).normal(3, 2, (6, 4, 5, 3)).astype(np.float32)
WANTED = nbn.batch_norm(X, training=True)


class Subclass(np.ndarray):
    """A subclass that remembers where it comes from, and refuses NumPy's functions."""

    def __array_finalize__(self, other):
        self.origin = "here"

    def __array_ufunc__(self, *args, **kwargs):
        raise AssertionError("a result was computed by NumPy")


class HasArray:
    """What has `__array__` only, and with the arguments of NumPy 1."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array


class HasInterface:
    """What has a description of its memory only."""

    def __init__(self, array):
        self._array = array
        self.__array_interface__ = array.__array_interface__


class HasDLPack:
    """What hands its memory over by DLPack only, as arrays of other libraries do."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **keywords):
        return self._array.__dlpack__(**keywords)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


class OnAnotherDevice(HasDLPack):
    """As a GPU's tensor."""

    def __dlpack__(self, **keywords):
        raise BufferError("it is on a GPU")


def misaligned(x):
    """Return x at an address that its type does not allow."""
    room = np.empty(x.nbytes + 1, np.uint8)[1:]
    moved = room.view(x.dtype).reshape(x.shape)
    moved[...] = x
    assert not moved.flags.aligned
    return moved


def field(x):
    """Return x as the field of a record: of odd strides."""
    records = np.zeros(x.shape, [("flag", "u1"), ("value", x.dtype)])
    records["value"] = x
    return records["value"]


def frozen(x):
    """Return a read-only copy."""
    x = x.copy()
    x.flags.writeable = False
    return x


MADE = {
    "misaligned": misaligned,
    "big-endian": lambda x: x.astype(">f4"),
    "big-endian, misaligned": lambda x: misaligned(x.astype(">f4")),
    "a field": field,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "every other": lambda x: np.repeat(x, 2, axis=3)[..., ::2],
    "Fortran order": np.asfortranarray,
    "read-only": frozen,
    "bytes": lambda x: np.frombuffer(x.tobytes(), np.float32).reshape(x.shape),
    "a subclass": lambda x: x.view(Subclass),
    "a recarray": lambda x: x.view(np.recarray),
    "nested lists": lambda x: x.tolist(),
    "__array__": HasArray,
    "__array_interface__": HasInterface,
    "DLPack": HasDLPack,
    "memoryview": memoryview,
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_any_array(make):
    given = make(X)
    if isinstance(given, list):
        given = [np.asarray(part, np.float32) for part in given]
    y = nbn.batch_norm(given, training=True)
    assert type(y) is np.ndarray and y.dtype == np.float32 and y.flags.writeable
    np.testing.assert_array_equal(y, WANTED)
    _, mean, rstd = nbn.batch_norm(X, training=True, return_stats=True)
    wanted = nbn.batch_norm_backward(WANTED, X, mean, rstd)
    for found in (
        nbn.batch_norm_backward(WANTED, given, mean, rstd),
        nbn.batch_norm_backward(
            make(WANTED) if make is not MADE["nested lists"] else WANTED, X, mean, rstd
        ),
    ):
        for got, value in zip(found, wanted):
            np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_memory_maps(tmp_path, mode):
    path = tmp_path / "x"
    X.tofile(path)
    x = np.memmap(path, np.float32, mode, shape=X.shape)
    np.testing.assert_array_equal(nbn.batch_norm(x, training=True), WANTED)
    if mode == "r":
        with pytest.raises(ValueError, match="out must be writeable"):
            nbn.batch_norm(x, training=True, out=x)
    else:
        y = nbn.batch_norm(x, training=True, out=x)
        assert y is x
        np.testing.assert_array_equal(x, WANTED)
    kept = WANTED if mode == "r+" else X
    if mode == "r+":
        x.flush()
    np.testing.assert_array_equal(np.fromfile(path, np.float32).reshape(X.shape), kept)


@pytest.mark.parametrize("axis", range(4))
def test_zero_strides(axis):
    """One element for many: what is normalised is what NumPy sees."""
    one = np.take(X, [0], axis)
    x = np.broadcast_to(one, X.shape)
    wanted = nbn.batch_norm(x.copy(), training=True)
    np.testing.assert_array_equal(nbn.batch_norm(x, training=True), wanted)


def test_statistics_and_parameters_of_zero_strides():
    ones = np.broadcast_to(np.float32(1), 4)
    zeros = np.broadcast_to(np.float32(0), 4)
    y = nbn.batch_norm(X, zeros, ones, ones, zeros, eps=0.0)
    np.testing.assert_array_equal(y, X)


@pytest.mark.parametrize(
    "out",
    [
        as_strided(np.zeros(4, np.float32), X.shape, (0, 4, 0, 0)),
        as_strided(np.zeros(200, np.float32), X.shape, (4, 4, 4, 4)),
        as_strided(np.zeros(400, np.float32), X.shape, (60, 60, 12, 4)),
    ],
    ids=["stride 0", "one stride", "overlapping samples"],
)
def test_an_out_that_overlaps_itself(out):
    """Whatever is written last would stand there for several elements."""
    with pytest.raises(ValueError, match="out must have memory for each element"):
        nbn.batch_norm(X, training=True, out=out)
    assert not out.any()


def test_running_statistics_that_overlap_themselves():
    mean = as_strided(np.zeros(1, np.float32), (4,), (0,))
    with pytest.raises(ValueError, match="running_mean must have memory for each element"):
        nbn.batch_norm(X, mean, np.ones(4, np.float32), training=True)
    assert not mean.any()


@pytest.mark.parametrize("out", [X[::-1].copy()[::-1], field(X), np.asfortranarray(X)], ids=str)
def test_an_out_of_any_strides(out):
    assert nbn.batch_norm(X, training=True, out=out) is out
    np.testing.assert_array_equal(out, WANTED)


def test_an_array_of_another_device():
    with pytest.raises(TypeError, match=r"x must be what np\.asarray takes, got OnAnotherDevice"):
        nbn.batch_norm(OnAnotherDevice(X), training=True)


def test_running_statistics_by_dlpack():
    """They are updated where they are, or refused: never is an update lost."""
    mean, var = np.zeros(4, np.float32), np.ones(4, np.float32)
    wanted = mean.copy(), var.copy()
    nbn.batch_norm(X, *wanted, training=True)
    try:
        nbn.batch_norm(X, HasDLPack(mean), HasDLPack(var), training=True)
    except ValueError as error:
        assert "writeable" in str(error) and not mean.any()
    else:
        np.testing.assert_array_equal((mean, var), wanted)


EMPTY = [(0, 4), (0, 4, 5), (3, 0), (3, 0, 5), (3, 4, 0), (0, 0, 0), (3, 4, 5, 0, 2)]


@pytest.mark.parametrize("shape", EMPTY, ids=str)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_no_elements(shape, layout):
    x = np.empty(shape, np.float32)
    count = shape[1] if layout == "NCHW" else shape[-1]
    mean, var = np.full(count, 3, np.float32), np.full(count, 4, np.float32)
    for training in (True, False):
        y = nbn.batch_norm(x, mean, var, training=training, layout=layout)
        assert y.shape == shape and y.dtype == x.dtype
    assert (mean == 3).all() and (var == 4).all()
    dx, dweight, dbias = nbn.batch_norm_backward(x, x, mean, var, layout=layout)
    assert dx.shape == shape and not dweight.any() and not dbias.any()
    assert dweight.shape == dbias.shape == (count,)


VAST = Path(__file__).with_name("vast.py").read_text("utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="it maps memory as Linux does")
@pytest.mark.parametrize("what", ["bytes", "elements"])
def test_more_than_32_bits_count(what):
    """More than 2**32 bytes, and more than 2**31 elements, of which the pages are few."""
    run(VAST, what, timeout=300)
