"""normalize_images gives the bits of NumPy's float64, rounded once, wherever the pixels are."""

import numpy as np
import pictures
import pytest
import streams
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import BFLOAT16, same, scaled, wanted

import numbanorm as nbn

# Means and deviations. For (0.4, 0.3) and the like the nearest float32 is another one if x is
# scaled by a product and a sum; the last ones overflow, underflow, or leave no digits for that.
PAIRS = [
    *zip(nbn.IMAGENET_MEAN, nbn.IMAGENET_STD, strict=True),
    (0.1307, 0.3081),
    (0.0, 1.0),
    (0.0, -1.0),
    (-0.0, -1.0),
    (0.5, -0.5),
    (0.4, 0.3),
    (0.5, 1e-300),
    (0.5, 1e300),
    (1e300, 1e-8),
    (0.0, 5e-324),
    (1e-310, 1.0),
    (1e-200, 1e200),
    (0.5, 1e-38),
    (0.0, 3e39),
]
SIXTEEN = [np.uint16, np.int16, np.float16, BFLOAT16]


@pytest.mark.parametrize("max_value", [None, 1.0, 7.0, -3.0, 1e-300, 2.0**-1074])
@pytest.mark.parametrize("dtype", [np.uint8, *SIXTEEN], ids=str)
def test_every_value(dtype, max_value):
    x = pictures.every(dtype)
    mean, std = np.array(PAIRS).T
    # As pixels of many channels, and as planes, two different loops.
    x = np.broadcast_to(x[:, None], (len(x), len(PAIRS)))
    want = scaled(x, mean, std, max_value)
    image = x[:, None, :]
    y = nbn.normalize_images(image, mean, std, max_value=max_value)
    assert same(y[:, 0], want)
    y = nbn.normalize_images(image, mean, std, max_value=max_value, to="NCHW")
    assert same(y[..., 0].T, want)


def test_every_value_in_float64():
    """Quotients by reciprocals are made good to the last digit, which float32 would not show."""
    x = pictures.every(np.int16)[:, None, None]
    for mean, std in PAIRS:
        for max_value in (1.0, 4095.0, 1e-300):
            y = nbn.normalize_images(x, mean, std, max_value=max_value, dtype=np.float64)
            assert same(y, scaled(x, mean, std, max_value, np.float64)), (mean, std, max_value)


def found_by_a_product(mean, std, dtype=np.float32):
    """Return what bytes are by a product and a sum, in more digits than float64 has."""
    x = np.arange(256, dtype=np.longdouble)
    scale, offset = np.longdouble(1 / (255.0 * std)), np.longdouble(-mean / std)
    return (x * scale + offset).astype(np.float64).astype(dtype)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, BFLOAT16], ids=str)
def test_many_bytes(pair, dtype):
    """With enough pixels, a product and a sum are tried on all bytes first."""
    x = np.tile(pictures.every(np.uint8), 16).reshape(1, 64, 64, 1)
    y = nbn.normalize_images(x, *pair, dtype=dtype)
    want = scaled(x, *pair)
    # Float64 goes to 16 bits by way of float32.
    want = scaled(x, *pair, dtype=dtype) if dtype == np.float64 else want
    with np.errstate(over="ignore"):
        assert same(y, want.astype(dtype))


def test_the_quick_way_is_not_right_for_all():
    """So that `test_many_bytes` has pairs of both kinds: this is what it would not see else."""
    x = pictures.every(np.uint8)
    usual = [same(found_by_a_product(*pair), scaled(x, *pair)) for pair in PAIRS[:9]]
    assert any(usual) and not all(usual)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_of_their_own_size(dtype):
    bits = np.random.default_rng(0).integers(0, 1 << 63, 40_000 // np.dtype(dtype).itemsize)
    special = [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-40, 5e-324, 0.485, 255]
    x = np.concatenate([bits.view(dtype), np.array(special, dtype)])[:, None, None]
    for mean, std in PAIRS:
        y = nbn.normalize_images(x, mean, std, max_value=255, dtype=dtype)
        assert same(y, scaled(x, mean, std, 255.0, dtype)), (mean, std)


def test_sixteen_bits_to_sixteen():
    """Within one rounding; NumPy's own cast of bfloat16 goes by way of float32, too."""
    x = pictures.every(np.uint16)[:, None, None]
    for dtype, digits in ((np.float16, 11), (BFLOAT16, 8)):
        y = nbn.normalize_images(x, 0.485, 0.229, dtype=dtype)
        want = scaled(x, 0.485, 0.229, dtype=np.float64)
        unit = np.ldexp(1.0, np.frexp(want)[1] - digits)
        assert (np.abs(y.astype(np.float64) - want) <= (0.5 + 2.0**-12) * unit).all()
        assert same(y, scaled(x, 0.485, 0.229).astype(dtype))


# More channels than are brought into order at once, as a whole pixel may not be.
SHAPES = [(2, 3, 5, 211), (2, 2, 3, 20_000), (1, 1, 1, 3), (3, 1, 1, 1), (1, 9, 225, 3)]
SHAPES += [(1, 37, 301, 3), (2, 8, 300, 4), (1, 5, 17, 2), (1, 300, 1, 3)]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("to", ["NHWC", "NCHW"])
@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_layouts(shape, layout, to, reverse):
    n, height, width, channels = shape
    rng = np.random.default_rng(1)
    mean, std = rng.uniform(0, 1, (n, channels)), rng.uniform(0.1, 1, channels)
    x = pictures.pixels(shape if layout == "NHWC" else (n, channels, height, width), np.uint8)
    keywords = {"layout": layout, "to": to, "reverse_channels": reverse}
    want = wanted(x, mean, std, **keywords)
    assert same(nbn.normalize_images(x, mean, std, **keywords), want)
    assert same(nbn.normalize_images(list(x), mean, std, **keywords), want)
    assert same(nbn.normalize_images(x[-1], mean[-1], std, **keywords), want[-1])


def test_pixels_of_more_channels_than_there_is_room_for():
    x = pictures.pixels((2, 2, 2, 3000), np.float64)
    for to in ("NHWC", "NCHW"):
        keywords = {"to": to, "dtype": np.float64}
        y = nbn.normalize_images(x[:, ::-1, ::-1], 0.5, 0.3, **keywords)
        assert same(y, wanted(x[:, ::-1, ::-1], 0.5, 0.3, **keywords))


VIEWS = {
    "as they are": lambda x: x,
    "mirrored": lambda x: x[:, :, ::-1],
    "upside down": lambda x: x[:, ::-1],
    "channels reversed": lambda x: x[..., ::-1],
    "both": lambda x: x[:, :, ::-1, ::-1],
    "cropped": lambda x: x[:, 1:-2, 3:-5],
    "planes": lambda x: np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1),
    "every other": lambda x: x[:, :, ::2],
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_large_batches(view, channels, threads):
    """Over 8 MiB, which are streamed, they are as they are one by one, on any number of threads."""
    n, size = 24 // channels, 480
    x = view(pictures.pixels((n, size, size, channels), np.uint8))
    mean, std = np.linspace(0.4, 0.5, channels), np.linspace(0.2, 0.3, channels)
    for to in ("NHWC", "NCHW"):
        shape = pictures.turned(x, "NHWC", to).shape
        # A slot whose rows, and planes, begin anywhere among cache lines.
        room = np.zeros([size + 3 * (i > 0) for i, size in enumerate(shape)], np.float32)
        slot = room[:, 1:-2, 3:, :-3] if to == "NHWC" else room[:, :-3, 1:-2, 3:]
        with nbn.num_threads(threads):
            y = nbn.normalize_images(x, mean, std, to=to)
            nbn.normalize_images(list(x), mean, std, to=to, out=slot)
        assert same(slot, y)
        slot[...] = 0
        assert not room.any()
        with nbn.num_threads(1), streams.streamed_from(streams.NONE):
            each = [nbn.normalize_images(one, mean, std, to=to) for one in x]
        assert all(same(a, b) for a, b in zip(y, each, strict=True))
        assert same(y[-1:], wanted(x[-1:], mean, std, to=to))


@st.composite
def calls(draw):
    """Draw images in some memory, and all else that normalize_images takes."""
    shape, dtype = draw(pictures.shapes()), draw(st.sampled_from([np.uint8, np.int16, np.float32]))
    layout, to = (draw(st.sampled_from(["NHWC", "NCHW"])) for _ in range(2))
    n, _, _, channels = shape
    numbers = st.floats(-2, 2) | st.sampled_from([0.4, 0.485])
    form = draw(st.sampled_from([(), (channels,), (n, channels)]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    mean = draw(numbers) if form == () else rng.uniform(-1, 1, form)
    std = draw(st.sampled_from([0.3, -2.0, rng.uniform(0.1, 2, (channels,))]))
    arrays = pictures.turned(np.empty(shape, dtype), "NHWC", layout).shape
    source = draw(pictures.memories(arrays))
    result = pictures.turned(np.empty(shape, dtype), "NHWC", to).shape
    out = draw(st.none() | pictures.memories(result) | pictures.memories(result, plain=True))
    how = draw(st.sampled_from(["array", "list", "tuple"] if n else ["array"]))
    max_value = draw(st.sampled_from([None, None, 100.0]))
    keywords = {"layout": layout, "to": to, "reverse_channels": draw(st.booleans())}
    return source, dtype, mean, std, out, how, keywords | {"max_value": max_value}


@settings(max_examples=300)
@given(calls())
def test_drawn_calls(call):
    """Views of all kinds, to slots of all kinds, beside which nothing is written."""
    source, dtype, mean, std, out, how, keywords = call
    x = source.of(pictures.pixels(source.sizes, dtype))
    images = {"array": x, "list": list(x), "tuple": tuple(x)}[how]
    want = wanted(x, mean, std, **keywords)
    if out is None:
        assert same(nbn.normalize_images(images, mean, std, **keywords), want)
        return
    base, expected = np.full(out.sizes, 7, np.float32), np.full(out.sizes, 7, np.float32)
    y = out.of(base)
    assert nbn.normalize_images(images, mean, std, out=y, **keywords) is y
    out.of(expected)[...] = want
    assert same(base, expected)
