"""Images from C have Python's bits; what is wrong gets its status, before anything is written."""

import math

import numpy as np
import pictures
import pytest
from pictures import same, wanted

import numbanorm as nbn
from numbanorm import cabi
from numbanorm._status import Status
from numbanorm.cabi.declarations import IMAGE_TYPES

MEAN, STD = np.array(nbn.IMAGENET_MEAN), np.array(nbn.IMAGENET_STD)

LAYOUTS = {"NCHW": 0, "NHWC": 1}
ORDER = (
    "y", "y_layout", "x", "x_layout", "n", "height", "width", "channels", "row_bytes", "mean",
    "std", "max_value", "reverse_channels",
)  # fmt: skip


def c_function(kind):
    """Return the C function of these types, in this process."""
    ffi, name = cabi.ffi(), f"normalize_images_{kind}"
    typed = dict(ffi.typeof("nbn_api").fields)[name].type
    return with_arrays(ffi.cast(typed, cabi.address(f"nbn_{name}")))


def with_arrays(function):
    """Return a C function that takes NumPy's arrays for pointers."""
    ffi = cabi.ffi()
    typed = ffi.typeof(function)

    def call(*args):
        given = [
            ffi.NULL if one is None else ffi.cast(as_c, one.ctypes.data) if hasattr(one, "ctypes")
            else one
            for one, as_c in zip(args, typed.args, strict=True)
        ]  # fmt: skip
        return function(*given)

    return call


def c_arguments(padding=0, x_layout="NHWC", y_layout="NCHW", shape=(2, 5, 17, 3)):
    """Return arguments by name, and as an array what x is without the padding of its rows."""
    n, height, width, channels = shape
    sizes = (n, height, width * channels) if x_layout == "NHWC" else (n, channels, height, width)
    room = pictures.pixels((*sizes[:-1], sizes[-1] + padding), np.uint8)
    x = room[..., : sizes[-1]]
    x = x.reshape(shape) if x_layout == "NHWC" else x
    result = shape if y_layout == "NHWC" else (n, channels, height, width)
    mean, std = np.linspace(0.3, 0.5, channels), np.linspace(-0.2, 0.4, channels)
    values = (
        np.full(result, 7, np.float32), LAYOUTS[y_layout], room, LAYOUTS[x_layout], n, height,
        width, channels, room.strides[-2] if padding else 0, mean, std, 255.0, 0,
    )  # fmt: skip
    return dict(zip(ORDER, values, strict=True)), x


@pytest.mark.parametrize("padding", [0, 1, 13])
@pytest.mark.parametrize("y_layout", LAYOUTS)
@pytest.mark.parametrize("x_layout", LAYOUTS)
def test_c(x_layout, y_layout, padding):
    call = c_function("u8_f32")
    for shape in ((2, 5, 17, 3), (1, 1, 1, 1), (3, 2, 300, 4), (2, 4, 3, 70), (1, 300, 301, 3)):
        for reverse in (0, 1):
            args, x = c_arguments(padding, x_layout, y_layout, shape)
            args["reverse_channels"] = reverse
            assert call(*args.values()) == 0
            keywords = {"layout": x_layout, "to": y_layout, "reverse_channels": bool(reverse)}
            assert same(args["y"], wanted(x, args["mean"], args["std"], **keywords))


def test_c_of_part_of_an_image():
    """A crop's last row ends where y may begin; the rest of that row is nobody's."""
    room = np.zeros(4 * 30 + 2 * 3 * 6 * 4, np.uint8)
    image, y = room[:120].reshape(1, 4, 10, 3), room[120:].view(np.float32).reshape(1, 2, 6, 3)
    image[...] = pictures.pixels(image.shape, np.uint8)
    crop = image[:, 2:, 4:]
    assert crop.shape == y.shape
    want = wanted(crop, MEAN, STD)
    args = y, 1, crop, 1, 1, 2, 6, 3, 30, MEAN, STD, 255.0, 0
    assert c_function("u8_f32")(*args) == 0
    assert same(y, want)


C_FAULTS = {
    "NULL": [{"y": None}, {"x": None}, {"mean": None}, {"std": None}],
    "SIZE": [
        *[{name: value} for name in ORDER[4:8] for value in (-1, 2**62, -(2**63))],
        {"n": 0, "height": 2**62},
        {"n": 2**31, "height": 2**31, "width": 2**31},
        *[{"row_bytes": value} for value in (-1, 1, 50, -51, 2**62, -(2**63))],
    ],
    "LAYOUT": [{"y_layout": 2}, {"x_layout": -1}],
    "SCALE": [
        *[{"max_value": value} for value in (0.0, math.nan, -math.inf)],
        {"std": np.array([1, 0, 1.0])},
        {"std": np.array([1, math.inf, 1])},
        {"mean": np.array([1, 0, math.nan])},
    ],
}


@pytest.mark.parametrize("name", C_FAULTS)
def test_c_statuses(name):
    call = c_function("u8_f32")
    for changes in C_FAULTS[name]:
        args, _ = c_arguments()
        assert call(*(args | changes).values()) == Status[name], changes
        assert (args["y"] == 7).all()


def test_c_memory_that_is_wrong():
    call, ffi = c_function("u8_f32"), cabi.ffi()
    args, _ = c_arguments()
    room = np.full(3000, 7, np.uint8)
    for name in ("y", "mean", "std"):
        off = ffi.cast("void *", room.ctypes.data + 1)
        assert call(*(args | {name: off}).values()) == Status.ALIGNMENT
    size = args["y"].nbytes
    y = room[:size].view(np.float32)
    for name, first in (("x", size - 1), ("mean", size - 8), ("std", 0)):
        kind = np.uint8 if name == "x" else np.float64
        wrong = room[first // 8 * 8 if name != "x" else first :][:504].view(kind)
        assert call(*(args | {"y": y, name: wrong}).values()) == Status.OVERLAP
    assert (room == 7).all()


def test_c_of_nothing():
    call = c_function("u8_f32")
    for changes in ({"n": 0}, {"height": 0}, {"width": 0}, {"channels": 0}):
        args, _ = c_arguments()
        none = dict.fromkeys(("x", "y", "mean", "std"))
        assert call(*(args | none | changes).values()) == 0
        assert call(*(args | none | changes | {"max_value": 0.0}).values()) == Status.SCALE
        assert call(*(args | none | changes | {"y_layout": 2}).values()) == Status.LAYOUT


# NumPy's names for what functions are called by.
DTYPES = {
    "u8": np.uint8, "u16": np.uint16, "i16": np.int16, "f32": np.float32, "f16": np.float16,
    "bf16": pictures.BFLOAT16,
}  # fmt: skip


@pytest.mark.parametrize("kind", IMAGE_TYPES)
def test_every_function(c_way, kind):
    """A function for each pair of types, in this process and in the library."""
    source, result = (DTYPES[name] for name in kind.split("_"))
    call = with_arrays(c_way.function(f"normalize_images_{kind}"))
    x = pictures.pixels((2, 60, 61, 3), source)
    y = np.zeros((2, 3, 60, 61), result)
    assert call(y, 0, x, 1, 2, 60, 61, 3, 0, MEAN, STD, 300.0, 1) == 0
    want = wanted(x, MEAN, STD, 300.0, to="NCHW", reverse_channels=True)
    # To 16 bits by way of float32, as NumPy casts that.
    assert same(y, want.astype(result))
