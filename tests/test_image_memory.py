"""Images in any memory: lists, other libraries' images, in place, slots, odd strides, threads."""

import collections
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pictures
import pytest
from numpy.lib.stride_tricks import as_strided
from pictures import same, wanted
from test_any_float import MODES, flushed

import numbanorm as nbn

MEAN, STD = nbn.IMAGENET_MEAN, nbn.IMAGENET_STD


@pytest.fixture
def x():
    return pictures.pixels((4, 9, 17, 3), np.uint8)


@pytest.mark.parametrize("kind", [list, tuple, collections.deque], ids=lambda kind: kind.__name__)
def test_sequences(x, kind):
    assert same(nbn.normalize_images(kind(x), MEAN, STD), wanted(x, MEAN, STD))
    assert same(nbn.normalize_images(kind(x[:1]), MEAN, STD), wanted(x[:1], MEAN, STD))


def test_images_that_live_only_in_the_call(x):
    """Converted ones, of which nobody but the call knows: 200 of them, and the memory reused."""

    class Decoded:
        def __init__(self, i):
            self._i = i

        def __array__(self, dtype=None, copy=None):
            return x[self._i % 4].copy()

    y = nbn.normalize_images([Decoded(i) for i in range(200)], MEAN, STD, to="NCHW")
    assert same(y, np.tile(wanted(x, MEAN, STD, to="NCHW"), (50, 1, 1, 1)))


def test_lists_of_numbers():
    y = nbn.normalize_images([[[[1.0], [2.0]]], [[[3.0], [4.0]]]], 0.5, 2.0, dtype=np.float64)
    assert np.array_equal(y.ravel(), [0.25, 0.75, 1.25, 1.75])


@pytest.mark.peers
def test_tensors(x):
    torch = pytest.importorskip("torch")
    tensors = [torch.from_numpy(one.copy()) for one in x]
    assert same(nbn.normalize_images(tensors, MEAN, STD), wanted(x, MEAN, STD))
    assert same(nbn.normalize_images(torch.stack(tensors), MEAN, STD), wanted(x, MEAN, STD))
    planes = [one.permute(2, 0, 1) for one in tensors]
    y = nbn.normalize_images(planes, MEAN, STD, layout="NCHW")
    assert same(y, wanted(x, MEAN, STD, to="NCHW"))


def test_pillow(x):
    image = pytest.importorskip("PIL.Image")
    photos = [image.fromarray(one) for one in x]
    assert same(nbn.normalize_images(photos, MEAN, STD), wanted(x, MEAN, STD))
    assert same(nbn.normalize_images(photos[0], MEAN, STD), wanted(x, MEAN, STD)[0])
    grey = photos[0].convert("L")
    with pytest.raises(
        ValueError, match=r"images\[0\] must have 3 dimensions, got shape \(9, 17\)"
    ):
        nbn.normalize_images([grey], MEAN, STD)


@pytest.mark.parametrize("shape", [(0, 4, 5, 3), (2, 0, 5, 3), (2, 4, 0, 3), (2, 4, 5, 0)], ids=str)
def test_nothing(shape):
    channels = shape[3]
    for dtype in (np.uint8, np.float32):
        x = np.empty(shape, dtype)
        want = np.empty((shape[0], channels, *shape[1:3]), np.float32)
        for mean in (0.5, [0.5] * channels, np.full((shape[0], channels), 0.5)):
            assert same(nbn.normalize_images(x, mean, 0.5, to="NCHW"), want)
        out = np.empty_like(want)
        assert nbn.normalize_images(x, 0.5, 0.5, to="NCHW", out=out) is out


# Read-only, byte-swapped, misaligned, in strides that are no multiples, or all the same pixel.
def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def misaligned(x):
    room = np.empty(x.nbytes + 1, np.uint8)
    y = room[1:].view(x.dtype).reshape(x.shape)
    y[...] = x
    return y


def field(x):
    records = np.empty(x.shape, np.dtype([("tag", np.uint8), ("value", x.dtype)]))
    records["value"] = x
    return records["value"]


MEMORY = {
    "read-only": read_only,
    "byte-swapped": lambda x: x.astype(x.dtype.newbyteorder()),
    "misaligned": misaligned,
    "a field": field,
    "one pixel": lambda x: np.broadcast_to(x[:, :1, :1], x.shape),
    "one image": lambda x: np.broadcast_to(x[:1], x.shape),
    "transposed": lambda x: np.asfortranarray(x),
}


@pytest.mark.parametrize("how", MEMORY.values(), ids=MEMORY)
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_odd_memory(how, dtype):
    x = how(pictures.pixels((3, 7, 19, 3), dtype))
    for to in ("NHWC", "NCHW"):
        want = wanted(x.astype(dtype), MEAN, STD, to=to)
        assert same(nbn.normalize_images(x, MEAN, STD, to=to), want)
        assert same(nbn.normalize_images(list(x), MEAN, STD, to=to), want)
        turned = x[:, ::-1, ::-1]
        want = wanted(turned.astype(dtype), MEAN, STD, to=to)
        assert same(nbn.normalize_images(turned, MEAN, STD, to=to), want)


@pytest.mark.parametrize("how", ["byte-swapped", "misaligned", "a field", "transposed"])
def test_odd_memory_for_results(x, how):
    out = MEMORY[how](np.zeros(x.shape, np.float32))
    assert nbn.normalize_images(x, MEAN, STD, out=out) is out
    assert same(out.astype(np.float32), wanted(x, MEAN, STD))


@pytest.mark.parametrize("axis", range(4))
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_strides_of_axes_of_one(layout, axis):
    """NumPy leaves them to chance; no kernel may take one for a step to anything."""
    shape = [3, 4, 5, 3]
    shape[axis] = 1
    x, y = pictures.pixels(shape, np.uint8), np.zeros(shape, np.float32)
    want = wanted(x, 0.4, 0.3, layout=layout)
    for step in (0, 1, -1, 2, 3, 15, 12, -(1 << 40), 1 << 40):
        odd = [
            as_strided(a, strides=[*a.strides[:axis], step * a.itemsize, *a.strides[axis + 1 :]])
            for a in (x, y)
        ]
        y[...] = 7
        nbn.normalize_images(odd[0], 0.4, 0.3, layout=layout, out=odd[1])
        assert same(y, want), step
        y[...] = 7
        nbn.normalize_images(list(odd[0]), 0.4, 0.3, layout=layout, out=odd[1])
        assert same(y, want), step


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_in_place(layout):
    whole = pictures.pixels((3, 6, 20, 4), np.float32)
    crops = np.s_[:], np.s_[:, 1:5], np.s_[..., 1:], np.s_[:, :, ::-1], np.s_[:, :, 1:3], np.s_[0]
    for crop in crops:
        mine, want = whole.copy(), whole.copy()
        x = mine[crop]
        want[crop] = wanted(x.reshape(-1, *x.shape[-3:]), 0.4, 0.3, layout=layout).reshape(x.shape)
        assert nbn.normalize_images(x, 0.4, 0.3, layout=layout, out=x) is x
        assert same(mine, want)
    # The same memory by another array, and what becomes a copy first.
    mine = whole.copy()
    nbn.normalize_images(read_only(whole), 0.4, 0.3, layout=layout, out=mine)
    assert same(mine, wanted(whole, 0.4, 0.3, layout=layout))
    swapped = whole.astype(">f4")
    assert nbn.normalize_images(swapped, 0.4, 0.3, layout=layout, out=swapped) is swapped
    assert same(swapped.astype(np.float32), mine)


def test_slots_of_a_batch(x):
    batch = np.full((6, 3, 12, 20), 7, np.float32)
    expected = batch.copy()
    for i, one in enumerate(x):
        slot = batch[i, :, 1:10, 2:19]
        nbn.normalize_images(one, MEAN, STD, to="NCHW", out=slot)
        expected[i, :, 1:10, 2:19] = wanted(x[i : i + 1], MEAN, STD, to="NCHW")[0]
    assert same(batch, expected)
    # Places of a list that are every other one, last first.
    slots = np.zeros((8, 3, 9, 17), np.float32)
    nbn.normalize_images(list(x), MEAN, STD, to="NCHW", out=slots[::-2])
    assert same(slots[::-2], wanted(x, MEAN, STD, to="NCHW")) and not slots[::2].any()


def test_threads_at_once():
    """Calls from several threads, each of which is shared out."""
    x = pictures.pixels((8, 2, 200, 200, 3), np.uint8)
    want = [wanted(one, MEAN, STD, to="NCHW") for one in x]

    def work(i):
        images = list(x[i % 8]) if i % 3 else x[i % 8]
        return same(nbn.normalize_images(images, MEAN, STD, to="NCHW"), want[i % 8])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(64)))


@MODES
def test_floating_point_modes(bits):
    """Another library may have told this thread to flush subnormal numbers, or to truncate."""
    x = pictures.pixels((2, 200, 200, 3), np.float32) * np.float32(1e-38)
    bytes_ = pictures.pixels(x.shape, np.uint8)
    want = wanted(x, 0.0, 0.3), wanted(bytes_, MEAN, STD, 3e40), wanted(bytes_, MEAN, STD)
    with flushed(bits):
        found = [nbn.normalize_images(x, 0.0, 0.3)]
        found.append(nbn.normalize_images(bytes_, MEAN, STD, max_value=3e40))
        found.append(nbn.normalize_images(bytes_, MEAN, STD))
    assert all(map(same, found, want))
