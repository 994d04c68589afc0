"""Images, decoded by Pillow: what they show, and of which kind that is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image, ImageMode, UnidentifiedImageError

from numbanorm.stats import formats, sources
from numbanorm.stats.tallies import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# Bytes of files that are read at once, which takes an eighth off the time of the smallest.
_SMALL = 1 << 17

_COLOURS = "red", "green", "blue"
_GREY = ("grey",)

EIGHT_BITS = {
    "L": Kind("grey, 8 bits", _GREY, "uint8", True),
    "LA": Kind("grey with alpha, 8 bits", (*_GREY, "alpha"), "uint8", True),
    "RGB": Kind("RGB, 8 bits", _COLOURS, "uint8", True),
    "RGBA": Kind("RGBA, 8 bits", (*_COLOURS, "alpha"), "uint8", True),
}
_OTHERS = {
    "uint16": Kind("grey, 16 bits", _GREY, "uint16"),
    "int16": Kind("grey, 16 bits with sign", _GREY, "int16"),
    "float32": Kind("grey, float32", _GREY, "float32"),
}

# What images of other modes show.
_SHOWN = {
    "1": "L",
    "La": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "HSV": "RGB",
}


class Decoded(NamedTuple):
    """An image's values."""

    kind: Kind
    # Of shape (H, W, C), read-only.
    values: Array
    # Whether the file has more images than this, its first.
    more: bool


def decode(path: str, mode: str | None) -> Decoded:
    """Return the first image of a file, in a mode if one is given; an error if it can't be read."""
    known = formats.FORMATS.get(sources.suffix(path), formats.ALL)
    with _opened(path, known) as image:
        if formats.loses_bits(image):
            raise ValueError("has more than 8 bits for each of several channels: Pillow drops them")
        more = bool(getattr(image, "is_animated", False))
        if image.mode.startswith(("I", "F")):
            kind, values = _deep(image)
            if mode is not None:
                raise ValueError(f"is {kind.name}, which --mode {mode} doesn't convert")
            return Decoded(kind, values[..., None], more)
        eight = _eight_bits(image)
        if mode is not None and eight.mode != mode:
            eight = eight.convert(mode)
        kind = EIGHT_BITS[eight.mode]
        shape = eight.height, eight.width, len(kind.channels)
        # NumPy's way to ask for these bytes takes a tenth of a small image's time.
        return Decoded(kind, np.frombuffer(eight.tobytes(), np.uint8).reshape(shape), more)


def _opened(path: str, known: list[str]) -> Any:
    with open(path, "rb", buffering=0) as file:
        content = file.read(_SMALL + 1)
    try:
        return Image.open(path if len(content) > _SMALL else io.BytesIO(content), formats=known)
    except UnidentifiedImageError:
        raise ValueError("is no image of a known format") from None


def _eight_bits(image: Any) -> Any:
    """Return an image that shows the same, in a mode that there is a kind for."""
    if image.mode in EIGHT_BITS:
        return image
    if image.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = (ImageCms.createProfile(name) for name in ("LAB", "sRGB"))
        return ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if image.mode == "P" and "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode not in _SHOWN:
        raise ValueError(f"is of Pillow's mode {image.mode}, which isn't known here")
    return image.convert(_SHOWN[image.mode])


def _deep(image: Any) -> tuple[Kind, Array]:
    """Return the kind and the values of an image of 16-bit integers or floats."""
    raw, maximum = list(formats.raw_modes(image)), formats.maximum(image)
    stored = np.frombuffer(image.tobytes(), ImageMode.getmode(image.mode).typestr)
    values = stored.reshape(image.height, image.width)
    if image.mode == "I":
        # Pillow's mode of 32 bits, in which it keeps some images of 16.
        if any(mode.startswith("I;16") and "S" in mode for mode in raw):
            return _OTHERS["int16"], values.astype(np.int16)
        if not (maximum > 255 or any(mode.startswith("I;16") for mode in raw)):
            raise ValueError("has integers of 32 bits: statistics are taken of 8 and 16")
        values = values.astype(np.uint16)
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    if native.dtype.name not in _OTHERS:
        raise ValueError(f"is of Pillow's mode {image.mode}, which isn't known here")
    return _OTHERS[native.dtype.name], native
