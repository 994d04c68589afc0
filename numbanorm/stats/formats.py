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
FORMATS = {
    suffix: [name, *(other for other in ALL if other != name)]
    for suffix, name in Image.registered_extensions().items()
    if name in ALL
}

_SIXTEEN = re.compile(";16[BLN]$")
_BITS_PER_SAMPLE = 258


def raw_modes(image: Any) -> Iterator[str]:
    """Yield the words with which an image's tiles, not decoded yet, describe their pixels."""
    for tile in image.tile:
        args = tile[3]
        for one in args if isinstance(args, tuple) else (args,):
            if isinstance(one, str):
                yield one


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
    bits: tuple[int, ...] = ()
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, ())
    elif image.format == "JPEG2000":
        bits = (_bits_of_jpeg2000(image.fp),)
    return (
        any(count > 8 for count in bits)
        or maximum(image) > 255
        or any(tile[0] == "SGI16" for tile in image.tile)
        or any(_SIXTEEN.search(mode) for mode in raw_modes(image))
    )


def _bits_of_jpeg2000(file: Any) -> int:
    """Return the bits of the first component, from the header of the first codestream."""
    place = file.tell()
    file.seek(0)
    start = file.read(1 << 16)
    file.seek(place)
    # Markers SOC and SIZ, then 38 bytes of sizes (ISO/IEC 15444-1, A.5.1).
    found = start.find(b"\xff\x4f\xff\x51")
    return (start[found + 42] & 0x7F) + 1 if 0 <= found < len(start) - 42 else 0
