"""What images can't be is refused by name, with nothing written."""

import re

import ml_dtypes  # noqa: F401
import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import numbanorm as nbn

PIXELS = "uint8, uint16, int16, float16, bfloat16, float32 or float64"
FLOATS = "float16, bfloat16, float32 or float64"
SHAPE = (2, 4, 5, 3)
BYTES = np.ones(SHAPE, np.uint8)


def masked(shape, dtype):
    return np.ma.masked_array(np.ones(shape, dtype), mask=False)


# What is wrong about images, and the error.
IMAGES = [
    *[
        (np.zeros(SHAPE, dtype), TypeError, f"images must be {PIXELS}, got {np.dtype(dtype)}")
        for dtype in (bool, np.int64, np.int8, np.uint32, np.complex64, np.longdouble, "m8[s]")
    ],
    (BYTES > 0, TypeError, f"images must be {PIXELS}, got bool"),
    (np.zeros(SHAPE, object), TypeError, f"images must be {PIXELS}, got object: pass np.asarray("),
    (np.zeros(SHAPE, [("a", "u1")]), TypeError, "pass a field of it, as images['a']"),
    (masked(SHAPE, np.uint8), TypeError, "images is a masked array, whose mask would be lost"),
    (BYTES[0, 0], ValueError, "images must have 3 or 4 dimensions, got shape (5, 3)"),
    (BYTES[None], ValueError, "images must have 3 or 4 dimensions, got shape (1, 2, 4, 5, 3)"),
    (np.uint8(3), ValueError, "images must have 3 or 4 dimensions, got shape ()"),
    (None, TypeError, f"images must be {PIXELS}, got object"),
    ("photo.jpg", TypeError, f"images must be {PIXELS}, got <U9"),
    ((one for one in BYTES), TypeError, f"images must be {PIXELS}, got object"),
    ([], ValueError, "images must have 1 or more, got an empty sequence"),
    ((), ValueError, "images must have 1 or more, got an empty sequence"),
    ([BYTES[0], BYTES], ValueError, "images[1] must have 3 dimensions, got shape (2, 4, 5, 3)"),
    ([BYTES[0], None], TypeError, f"images[1] must be {PIXELS}, got object"),
    ([BYTES[0] > 0], TypeError, f"images[0] must be {PIXELS}, got bool"),
    ([[[[1, 2, 3]]]], TypeError, f"images[0] must be {PIXELS}, got int64"),
    ([BYTES[0], masked((4, 5, 3), np.uint8)], TypeError, "images[1] is a masked array"),
    (
        [BYTES[0], BYTES[1].astype("f4")],
        TypeError,
        "images[1] must be uint8 like the first, got float32",
    ),
    (
        [BYTES[0], BYTES[1, 1:]],
        ValueError,
        "images[1] must have the first one's shape (4, 5, 3), got (3, 5, 3)",
    ),
]


def refused(error, message, images=BYTES, mean=0.5, std=0.5, **keywords):
    """Check that a call is refused, and writes nothing to a result."""
    out = keywords.pop("out", np.full(SHAPE, 7, np.float32))
    before = np.array(out).tobytes()
    with pytest.raises(error, match=re.escape(message)):
        nbn.normalize_images(images, mean, std, out=out, **keywords)
    assert np.array(out).tobytes() == before


@pytest.mark.parametrize(("images", "error", "message"), IMAGES)
def test_images(images, error, message):
    with pytest.raises(error, match=re.escape(message)):
        nbn.standardize_images(images)
    refused(error, message, images)


NUMBERS = [
    (np.nan, ValueError, "must be finite, got a value that is not"),
    ([0.5, np.inf, 0.5], ValueError, "must be finite, got a value that is not"),
    ([1, 2], ValueError, "must be a number or have shape (3,) or (2, 3), got (2,)"),
    (np.ones((1, 3)), ValueError, "must be a number or have shape (3,) or (2, 3), got (1, 3)"),
    (np.ones((3, 3)), ValueError, "must be a number or have shape (3,) or (2, 3), got (3, 3)"),
    (np.ones((2, 1)), ValueError, "must be a number or have shape (3,) or (2, 3), got (2, 1)"),
    (np.ones((2, 1, 1, 3)), ValueError, "must be a number or have shape"),
    ("1", TypeError, "must be real numbers, got <U1"),
    (None, TypeError, "must be real numbers, got object"),
    (True, TypeError, "must be real numbers, got bool"),
    (np.ones(3, bool), TypeError, "must be real numbers, got bool"),
    (1j, TypeError, "must be real numbers, got complex128"),
    (masked(3, np.float64), TypeError, "is a masked array, whose mask would be lost"),
]


@pytest.mark.parametrize(("value", "error", "message"), NUMBERS)
@pytest.mark.parametrize("name", ["mean", "std"])
def test_mean_and_std(name, value, error, message):
    refused(error, f"{name} {message}", **{name: value})


def test_std_of_0():
    for std in (0, -0.0, [1, 0, 1], np.zeros((2, 3))):
        refused(ValueError, "std must not be 0, got one that is", std=std)


KEYWORDS = [
    ("max_value", 0, ValueError, "max_value must not be 0, got 0"),
    ("max_value", np.nan, ValueError, "max_value must be finite, got nan"),
    ("max_value", "255", TypeError, "max_value must be a number, got '255'"),
    ("max_value", [255], TypeError, "max_value must be a number, got [255]"),
    ("layout", "CHW", ValueError, "layout must be 'NCHW' or 'NHWC', got 'CHW'"),
    ("layout", None, ValueError, "layout must be 'NCHW' or 'NHWC', got None"),
    ("to", "nhwc", ValueError, "to must be 'NCHW' or 'NHWC', got 'nhwc'"),
    ("to", 1, ValueError, "to must be 'NCHW' or 'NHWC', got 1"),
    ("dtype", np.uint8, TypeError, f"dtype must be {FLOATS}, got uint8"),
    ("dtype", None, TypeError, f"dtype must be {FLOATS}, got None"),
    ("dtype", "image", TypeError, f"dtype must be {FLOATS}, got image"),
]


@pytest.mark.parametrize(("name", "value", "error", "message"), KEYWORDS)
def test_keywords(name, value, error, message):
    refused(error, message, **{name: value})
    if name != "max_value":
        with pytest.raises(error, match=re.escape(message)):
            nbn.standardize_images(BYTES, **{name: value})


def frozen():
    array = np.zeros(SHAPE, np.float32)
    array.flags.writeable = False
    return array


RESULTS = [
    (np.zeros(SHAPE), TypeError, "out must be float32 like the result, got float64"),
    (np.zeros(SHAPE, np.uint8), TypeError, "out must be float32 like the result, got uint8"),
    (np.zeros(SHAPE[1:], np.float32), ValueError, "out must have the result's shape (2, 4, 5, 3)"),
    (np.zeros((2, 3, 4, 5), np.float32), ValueError, "out must have the result's shape"),
    ([0.0], TypeError, "out must be a NumPy array, got list"),
    (masked(SHAPE, np.float32), TypeError, "out is a masked array, whose mask would be lost"),
    (frozen(), ValueError, "out must be writeable, got a read-only array"),
    (
        as_strided(np.zeros(200, np.float32), SHAPE, (8, 60, 12, 4)),
        ValueError,
        "out must have memory for each element, got an array that overlaps itself",
    ),
]


@pytest.mark.parametrize(("out", "error", "message"), RESULTS)
def test_results(out, error, message):
    refused(error, message, out=out)
    with pytest.raises(error, match=re.escape(message)):
        nbn.standardize_images(BYTES, out=out)


def test_results_on_images():
    """In place is all in its place: the same layout and channels, one dtype, no list."""
    room = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    x = room[:120].reshape(SHAPE)
    overlap = "out must be images itself or share no memory with it, got an overlap"
    refused(ValueError, overlap, x, out=room[3:123].reshape(SHAPE))
    refused(ValueError, overlap, x[:, :, ::-1], out=x)
    refused(ValueError, overlap, x, out=x, reverse_channels=True)
    refused(ValueError, overlap, room.view(np.uint8)[100:220].reshape(SHAPE), out=x)
    refused(ValueError, overlap, room.view(">f4")[3:123].reshape(SHAPE), out=x)
    square = room[:54].reshape(2, 3, 3, 3)
    refused(ValueError, overlap, square, to="NCHW", out=square)
    in_list = "out must share no memory with images in a sequence, got an overlap"
    refused(ValueError, in_list, list(x), out=x)
    refused(ValueError, in_list, [x[0].copy(), room[119:179].reshape(SHAPE[1:])], out=x)
    numbers = "out must share no memory with parameters and statistics, got an overlap"
    wide = np.ones(240)
    out = wide[:120].reshape(SHAPE)
    refused(ValueError, numbers, mean=wide[119:122], out=out, dtype=np.float64)
    refused(ValueError, numbers, std=wide[0:6].reshape(2, 3), out=out, dtype=np.float64)


STANDARDIZING = [
    ("over", "images", ValueError, "over must be 'image', 'channel' or 'batch', got 'images'"),
    ("over", None, ValueError, "over must be 'image', 'channel' or 'batch', got None"),
    ("over", np.array(["image", "batch"]), ValueError, "over must be 'image', 'channel' or"),
    ("eps", -1e-5, ValueError, "eps must be finite and not negative, got -1e-05"),
    ("eps", None, TypeError, "eps must be a number, got None"),
    ("floor", np.nan, ValueError, "floor must be finite and not negative, got nan"),
    ("floor", "0", TypeError, "floor must be a number, got '0'"),
]


@pytest.mark.parametrize(("name", "value", "error", "message"), STANDARDIZING)
def test_standardizing(name, value, error, message):
    out = np.full(SHAPE, 7, np.float32)
    with pytest.raises(error, match=re.escape(message)):
        nbn.standardize_images(BYTES, out=out, **{name: value})
    assert (out == 7).all()


def test_statistics_of_other_integers():
    """What images may be, so may be what statistics are taken of; and no more."""
    for function in (nbn.channel_mean_var, lambda x: nbn.channel_normalize(x, [0.0], [1.0])):
        for dtype in (bool, np.int8, np.int32, np.int64):
            with pytest.raises(TypeError, match=f"x must be {PIXELS}, got {np.dtype(dtype)}"):
                function(np.zeros((2, 1), dtype))
