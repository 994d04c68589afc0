"""Images from Numba code have Python's bits; what is wrong gets its status, or doesn't compile."""

import math

import numba
import numpy as np
import pictures
import pytest
from pictures import same, wanted

import numbanorm as nbn
from numbanorm import jit

MEAN, STD = np.array(nbn.IMAGENET_MEAN), np.array(nbn.IMAGENET_STD)


@numba.njit
def pixels_of(y, x, mean, std, max_value, threads):
    return jit.normalize_images(y, x, mean, std, max_value, threads)


@numba.njit
def planes_of(y, x, mean, std, max_value, threads):
    return jit.normalize_images(y.transpose(0, 2, 3, 1), x, mean, std, max_value, threads)


@numba.njit
def mirrored(y, x, mean, std):
    """BGR, cropped, mirrored: views that are made in compiled code."""
    return jit.normalize_images(y.transpose(0, 2, 3, 1), x[:, 2:-1, 9:1:-1, ::-1], mean, std, 255.0)


@numba.njit
def half(y, x, mean, std):
    return jit.normalize_images(jit.float16(y), x, mean, std, 255.0)


@numba.njit(parallel=True)
def each(y, x, mean, std):
    status = np.empty(len(x), np.int64)
    for i in numba.prange(len(x)):
        planes = y[i : i + 1].transpose(0, 2, 3, 1)
        status[i] = jit.normalize_images(planes, x[i : i + 1], mean, std, 255.0)
    return status


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(2, 7, 17, 3), (3, 250, 250, 3), (1, 1, 1, 1), (2, 3, 4, 5)])
def test_jit(shape, threads):
    x, rng = pictures.pixels(shape, np.uint8), np.random.default_rng(0)
    n, height, width, channels = shape
    for form in ((channels,), (n, channels)):
        mean, std = rng.uniform(0, 1, form), rng.uniform(0.1, 1, form)
        y = np.zeros(shape, np.float32)
        assert pixels_of(y, x, mean, std, 255.0, threads) == jit.OK
        assert same(y, nbn.normalize_images(x, mean, std))
        y = np.zeros((n, channels, height, width), np.float32)
        assert planes_of(y, x[:, ::-1, :, ::-1], mean, std, 200, threads) == jit.OK
        want = nbn.normalize_images(x[:, ::-1, :, ::-1], mean, std, max_value=200, to="NCHW")
        assert same(y, want)


def test_jit_of_views():
    x = pictures.pixels((2, 12, 14, 3), np.uint8)
    y = np.zeros((2, 3, 9, 8), np.float32)
    assert mirrored(y, x, MEAN, STD) == jit.OK
    assert same(y, wanted(x[:, 2:-1, 9:1:-1, ::-1], MEAN, STD, to="NCHW"))
    y = np.zeros((2, 12, 14, 3), np.float16)
    assert half(y.view(np.uint16), x, MEAN, STD) == jit.OK
    assert same(y, nbn.normalize_images(x, MEAN, STD, dtype=np.float16))
    y = np.zeros((2, 3, 12, 14), np.float32)
    assert not each(y, x, MEAN, STD).any()
    assert same(y, wanted(x, MEAN, STD, to="NCHW"))
    assert same(nbn.normalize_images(x, MEAN, STD, to="NCHW"), y)


def test_jit_of_nothing():
    for shape in ((0, 4, 5, 3), (2, 0, 5, 3), (2, 4, 0, 3)):
        x, y = np.zeros(shape, np.uint8), np.zeros(shape, np.float32)
        assert pixels_of(y, x, MEAN, STD, 255.0, 1) == jit.OK
    x, y, none = np.zeros((2, 4, 5, 0), np.uint8), np.zeros((2, 4, 5, 0), np.float32), np.empty(0)
    assert pixels_of(y, x, none, none, 255.0, 1) == jit.OK


def test_jit_statuses():
    x, room = pictures.pixels((2, 6, 5, 3), np.uint8), np.full((2, 6, 5, 4), 7, np.float32)
    y = np.full(x.shape, 7, np.float32)

    def status(y=y, x=x, mean=MEAN, std=STD, max_value=255.0):
        return pixels_of(y, x, mean, std, max_value, 1)

    sizes = [
        {"x": x[:1]},
        {"y": y[:, :, :, :2]},
        {"mean": MEAN[:2].copy()},
        {"std": np.tile(STD, 2)},
        {"mean": np.ones(9), "std": np.ones(9)},
        # Neither channels nor the pixels of a row follow one another.
        {"y": room[..., :3]},
        {"y": np.full((2, 6, 5, 6), 7, np.float32)[..., ::2]},
    ]
    for given in sizes:
        assert status(**given) == jit.SIZE
    scales = [{"max_value": value} for value in (0.0, math.nan, math.inf)]
    scales += [{"std": STD * [1, 0, 1]}, {"std": STD * [1, math.nan, 1]}]
    scales += [{"mean": MEAN * [math.inf, 1, 1]}]
    for given in scales:
        assert status(**given) == jit.SCALE
    assert (y == 7).all() and (room == 7).all()
    assert status() == jit.OK


@numba.njit
def values_of(y, records, mean, std):
    return jit.normalize_images(y, records.value, mean, std, 1.0)


def test_jit_of_fields():
    """Records of 3 bytes: no number of elements of 2 is the way to the next."""
    records = np.zeros((1, 2, 5, 3), np.dtype([("tag", "u1"), ("value", "u2")]))
    y = np.full(records.shape, 7, np.float32)
    assert values_of(y, records, MEAN, STD) == jit.SIZE
    assert pixels_of(y, records["value"], MEAN, STD, 1.0, 1) == jit.SIZE
    odd = np.zeros(records.size * 2 + 1, np.uint8)[1:].view(np.uint16).reshape(records.shape)
    assert pixels_of(y, odd, MEAN, STD, 1.0, 1) == jit.SIZE
    assert (y == 7).all()
    records = np.zeros((1, 2, 5, 3), np.dtype([("value", "u1"), ("three", "u1", 3)]))
    records["value"] = pictures.pixels(records.shape, np.uint8)
    assert values_of(y, records, MEAN, STD) == jit.OK
    assert same(y, wanted(records["value"], MEAN, STD, 1.0))


def test_jit_refuses_to_compile():
    x, y = np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 2, 3), np.float32)
    frozen = y.copy()
    frozen.flags.writeable = False
    for wrong, message in (
        ((y, x[0]), "4 dimensions"),
        ((y, x.astype(np.int64)), "uint8, uint16, int16, float32"),
        ((x, x), "float32, float64, float16, bfloat16"),
        ((frozen, x), "writeable"),
        ((y, x, MEAN.astype(np.float32)), "float64, as statistics"),
        ((y, x, MEAN[::-1]), "C-contiguous"),
    ):
        args = (*wrong, MEAN, STD)[:4] if len(wrong) == 2 else (*wrong, STD)
        with pytest.raises(numba.TypingError, match=message):
            pixels_of(*args, 255.0, 1)
