"""The formats of images that Pillow reads, by suffix, and those in which it drops bits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from PIL import Image

# It can't decode these, does so by another program, or takes signed numbers for unsigned.
_LEFT_OUT = frozenset({"BUFR", "EPS", "FITS", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"})

# Plugins are registered here, once, rather than by each thread that meets their files.
Image.init()
ALL = [name for name in Image.ID if name not in _LEFT_OUT]

# For a suffix the formats to try, its own first: finding out is a fifth of a small image's time.
# Files of several JPEGs are opened as JPEG.
FORMATS = {
    suffix: sorted(ALL, key=name.__ne__)
    for suffix, name in (Image.registered_extensions() | {".mpo": "JPEG"}).items()
    if name in ALL
}

# Of 16 bits for a channel; without a letter they are for all of them together. The last is a codec.
_SIXTEEN = re.compile("(;16[BLN]|^SGI16)$")
_BITS_PER_SAMPLE = 258


def raw_modes(image: Any) -> Iterator[str]:
    """Yield the words with which tiles, not decoded yet, describe their codecs and pixels."""
    for codec, _, _, args in image.tile:
        yield codec
        if isinstance(args, str):
            yield args
        else:
            yield from (one for one in args or () if isinstance(one, str))


def maximum(image: Any) -> int:
    """Return the value that a PPM file has for white; 0 in other files."""
    for codec, _, _, args in image.tile:
        if codec in ("ppm", "ppm_plain"):
            return int(args[1])
    return 0


def loses_bits(image: Any) -> bool:
    """Return whether Pillow will decode channels of more than 8 bits to 8, as it does silently.

    It has no modes for colours, or alpha, of 16 bits.
    """
    if image.mode.startswith(("I", "F")):
        return False
    if image.format == "TIFF" and max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,))) > 8:
        return True
    if image.format == "JPEG2000" and _bits_of_jpeg2000(image.fp) > 8:
        return True
    return maximum(image) > 255 or any(map(_SIXTEEN.search, raw_modes(image)))


def _bits_of_jpeg2000(file: Any) -> int:
    """Return the bits of the first component, from the header of the first codestream."""
    place = file.tell()
    file.seek(0)
    start = file.read(1 << 16)
    file.seek(place)
    # Markers SOC and SIZ, then 38 bytes of sizes (ISO/IEC 15444-1, A.5.1).
    found = start.find(b"\xff\x4f\xff\x51")
    return (start[found + 42] & 0x7F) + 1 if 0 <= found < len(start) - 42 else 0
