"""What `numbanorm.dask` has Dask do: how often x is read, and by how many threads; errors."""

import numpy as np
import pytest

import numbanorm as nbn

dask = pytest.importorskip("dask", reason="dask is in the extra dask")
da = pytest.importorskip("dask.array", reason="dask is in the extra dask")
lazy = pytest.importorskip("numbanorm.dask")


class Source:
    """A lazy array that counts how often each of its chunks is made."""

    def __init__(self, chunks=((5, 3, 4, 4), (2, 1), (6, 7))):
        self.reads = {}
        nothing = np.empty((0,) * len(chunks))
        self.array = da.map_blocks(self.read, chunks=chunks, dtype=float, meta=nothing)

    def read(self, block_info=None):
        place = tuple(block_info[None]["chunk-location"])
        self.reads[place] = self.reads.get(place, 0) + 1
        return np.random.default_rng(place).random(block_info[None]["chunk-shape"])

    def of(self, *found):
        """Return how often each chunk is read when these are computed together."""
        self.reads.clear()
        dask.compute(*found, scheduler="synchronous")
        assert len(self.reads) == self.array.npartitions
        return set(self.reads.values())


def test_chunks_are_read_once():
    source = Source()
    x = source.array
    statistics = *lazy.channel_mean_var(x), lazy.moments(x)
    assert source.of(*statistics[:2]) == {1}
    assert source.of(*statistics) == {1}
    assert source.of(lazy.batch_norm(x)) == {1}
    assert source.of(lazy.batch_norm(x), *statistics) == {1}
    # As its documentation has it for data larger than memory.
    assert source.of(*statistics[:2]) == {1}
    assert source.of(lazy.channel_normalize(x, *dask.compute(*statistics[:2]))) == {1}


def test_no_chunks_are_put_together():
    """Whatever reads x's chunks reads one, and none is cut or joined."""
    x = Source().array
    graph = lazy.batch_norm(x, da.ones(3, chunks=2)).dask
    names = [name for name in graph.layers if "rechunk" in name or "concat" in name]
    chunks = {(x.name, *place) for place in np.ndindex(x.numblocks)}
    read = [len(chunks & needs) for needs in graph.get_all_dependencies().values()]
    assert not names and max(read) == 1 and sum(read) == 2 * len(chunks)


def test_merging_is_a_tree():
    x = da.zeros((600, 3), chunks=(1, 3))
    graph = lazy.moments(x).dask
    assert max(len(needs) for needs in graph.get_all_dependencies().values()) == 8


def test_metadata():
    x = da.zeros((6, 4, 5), chunks=(2, (3, 1), 5), dtype=np.uint8)
    mean, var = lazy.channel_mean_var(x)
    for found, shape, dtype in (
        (mean, (4,), np.float64),
        (var, (4,), np.float64),
        (lazy.channel_normalize(x, mean, var), (6, 4, 5), np.float32),
        (lazy.batch_norm(x.astype(np.float16)), (6, 4, 5), np.float16),
    ):
        assert (found.shape, found.dtype, found._meta.dtype) == (shape, dtype, dtype)
        assert type(found._meta) is np.ndarray and found._meta.ndim == found.ndim
    assert mean.chunks == var.chunks == ((3, 1),)


def test_names_are_those_of_what_is_computed():
    x = da.zeros((6, 4, 5), chunks=2)
    for make in (lazy.batch_norm, lambda x, **options: lazy.channel_mean_var(x, **options)[0]):
        assert make(x).name == make(x).name
        assert make(x).name != make(x, layout="NHWC").name
    assert lazy.batch_norm(x).name != lazy.batch_norm(x, eps=1e-3).name
    assert lazy.moments(x).key == lazy.moments(x).key


def test_tasks_have_one_thread(monkeypatch):
    found = []

    class Watched(nbn.Moments):
        @classmethod
        def of(cls, *args, **keywords):
            found.append(nbn.get_num_threads())
            return nbn.Moments.of(*args, **keywords)

    monkeypatch.setattr("numbanorm.dask.tasks.Moments", Watched)

    def watched(function):
        def call(*args, **keywords):
            found.append(nbn.get_num_threads())
            return function(*args, **keywords)

        return call

    for function in (nbn.batch_norm, nbn.channel_normalize):
        name = f"numbanorm.functional.{function.__name__}"
        monkeypatch.setattr(name, watched(function))
    x = da.ones((6, 3), chunks=2)
    with nbn.num_threads(2):
        lazy.batch_norm(x).compute(scheduler="synchronous")
        lazy.channel_normalize(x, np.ones(3), np.ones(3)).compute(scheduler="synchronous")
        lazy.batch_norm(x).compute(scheduler="threads")
    assert set(found) == {1} and len(found) > 20


X = da.zeros((6, 4, 5), chunks=(2, 3, 5))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: lazy.moments(np.zeros((2, 3))), TypeError, "x must be a Dask array, got ndarray"),
        (lambda: lazy.moments(X.astype(int)), TypeError, "x must be uint8, uint16, .* got int64"),
        (lambda: lazy.batch_norm(X.astype("u1")), TypeError, "x must be float16, .* got uint8"),
        (lambda: lazy.moments(X, layout="CHW"), ValueError, "layout must be 'NCHW' or 'NHWC', got"),
        (lambda: lazy.moments(X[:, 0, 0]), ValueError, "x must have 2 or more dimensions, got"),
        (lambda: lazy.moments(da.ma.masked_equal(X, 3)), TypeError, "x is a masked array"),
        (lambda: lazy.moments(X[:, X[0, :, 0] > 1]), ValueError, "x must have known sizes .*nan"),
        (lambda: lazy.channel_mean_var(X, correction=30), ValueError, "less than the 30 values"),
        (lambda: lazy.channel_mean_var(X, correction="1"), TypeError, "correction must be a num"),
        (lambda: lazy.channel_normalize(X, [1, 2], [1] * 4), ValueError, r"mean .* \(4,\), got"),
        (lambda: lazy.channel_normalize(X, [1] * 4, X[0, 0]), ValueError, r"std .* \(4,\), got"),
        (lambda: lazy.channel_normalize(X, None, [1] * 4), TypeError, "mean must be real numbers"),
        (lambda: lazy.channel_normalize(X, da.zeros(4, dtype=bool), [1] * 4), TypeError, "mean"),
        (lambda: lazy.batch_norm(X, np.ones(3)), ValueError, r"weight must have shape \(4,\), got"),
        (lambda: lazy.batch_norm(X, None, da.ones(4, dtype="f4")), TypeError, "bias must be float"),
        (lambda: lazy.batch_norm(X, eps=-1), ValueError, "eps must be finite and not negative"),
        (lambda: lazy.batch_norm(X[:1, :, :1]), ValueError, "x must have more than 1 value per"),
    ],
)
def test_errors_come_before_anything_is_computed(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_errors_of_unknown_sizes_come_later():
    x = X[X[:, 0, 0] < 1][:, :, :1]
    _, var = lazy.channel_mean_var(x, correction=6)
    with pytest.raises(ValueError, match="correction must be less than the 6 values"):
        var.compute(scheduler="synchronous")
    one = da.from_array(np.arange(5.0), chunks=2).reshape(5, 1)
    y = lazy.batch_norm(one[one[:, 0] > 3])
    with pytest.raises(ValueError, match="x must have more than 1 value per channel"):
        y.compute(scheduler="synchronous")
