"""`numbanorm stats` on every mode that images are stored in, and on those Pillow reads in part."""

import struct
import zlib

import numpy as np
import pytest
from stats_files import Image, assert_are, results, stats

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 5, 3), np.uint8)
RGB16 = RNG.integers(0, 65536, (6, 5, 3), np.uint16)
GREY16 = RGB16[..., 0]


def only_kind(capsys, tmp_path, file, *options):
    found = results(capsys, tmp_path, file, *options)
    (kind,) = found["kinds"]
    return kind


@pytest.mark.parametrize(
    ("mode", "suffix", "name", "shown"),
    [
        ("1", ".png", "grey, 8 bits", "L"),
        ("P", ".png", "RGB, 8 bits", "RGB"),
        ("P", ".gif", "RGB, 8 bits", "RGB"),
        ("CMYK", ".tiff", "RGB, 8 bits", "RGB"),
        ("CMYK", ".jpg", "RGB, 8 bits", "RGB"),
        ("YCbCr", ".jpg", "RGB, 8 bits", "RGB"),
        ("L", ".jpg", "grey, 8 bits", "L"),
    ],
)
def test_other_modes_are_what_they_show(mode, suffix, name, shown, tmp_path, capsys):
    file = tmp_path / f"image{suffix}"
    Image.fromarray(RGB).convert(mode).save(file)
    kind = only_kind(capsys, tmp_path, file)
    assert kind["name"] == name
    with Image.open(file) as image:
        assert_are(kind, [np.asarray(image.convert(shown)).reshape(6, 5, -1)])


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_palettes_with_transparency_are_rgba(suffix, tmp_path, capsys):
    file = tmp_path / f"image{suffix}"
    image = Image.fromarray(RGB).convert("P")
    image.save(file, transparency=image.getpixel((0, 0)))
    kind = only_kind(capsys, tmp_path, file)
    assert kind["name"] == "RGBA, 8 bits"
    with Image.open(file) as image:
        assert_are(kind, [np.asarray(image.convert("RGBA"))])


def test_lab_is_converted_by_its_profile(tmp_path, capsys):
    cms = pytest.importorskip("PIL.ImageCms")
    lab, srgb = cms.createProfile("LAB"), cms.createProfile("sRGB")
    file = tmp_path / "image.tiff"
    grey = Image.fromarray(np.full((6, 5, 3), 119, np.uint8))
    cms.profileToProfile(grey, srgb, lab, outputMode="LAB").save(file)
    kind = only_kind(capsys, tmp_path, file)
    assert kind["name"] == "RGB, 8 bits"
    # L* is rounded to 8 bits.
    np.testing.assert_allclose(kind["mean"], 119, atol=1.5)


def png(values, colour):
    """Return a PNG file of 16 bits."""
    height, width = values.shape[:2]
    rows = values.astype(">u2").reshape(height, -1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def tiff(values, planar=False, sample=1):
    """Return a little-endian TIFF file without compression; SampleFormat 2 is signed."""
    height, width = values.shape[:2]
    channels = values[0, 0].size
    bits = [8 * values.itemsize] * channels
    data = (np.moveaxis(values, -1, 0) if planar else values).tobytes()
    plane = len(data) // channels
    offsets, counts = [8], [len(data)]
    if planar:
        offsets, counts = [8 + c * plane for c in range(channels)], [plane] * channels
    tags = {256: [width], 257: [height], 258: bits, 259: [1], 262: [2 if channels > 1 else 1]}
    tags |= {273: offsets, 277: [channels], 278: [height], 279: counts}
    tags |= {284: [2 if planar else 1], 339: [sample] * channels}
    place = 8 + len(data) + 2 + 12 * len(tags) + 4
    entries, more = b"", b""
    for tag, found in tags.items():
        packed = struct.pack(f"<{len(found)}I", *found)
        if len(found) > 1:
            more += packed
            packed = struct.pack("<I", place + len(more) - len(packed))
        entries += struct.pack("<HHI", tag, 4, len(found)) + packed
    head = struct.pack("<2sHI", b"II", 42, 8 + len(data))
    return head + data + struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0) + more


def sgi(values):
    """Return an SGI file of 16 bits."""
    height, width, channels = values.shape
    head = struct.pack(">HBBHHHH", 474, 0, 2, 3, width, height, channels).ljust(512, b"\0")
    return head + np.moveaxis(values[::-1], -1, 0).astype(">u2").tobytes()


def jpeg2000(tmp_path):
    """Return a JPEG 2000 file that says its components have 16 bits."""
    file = tmp_path / "eight.jp2"
    Image.fromarray(RGB).save(file)
    content = bytearray(file.read_bytes())
    content[content.index(b"\xff\x4f\xff\x51") + 42] = 15
    return bytes(content)


DEEP = {
    "rgb.png": png(RGB16, 2),
    "rgba.png": png(np.dstack([RGB16, GREY16]), 6),
    "grey_alpha.png": png(RGB16[..., :2], 4),
    "rgb.tiff": tiff(RGB16),
    "planar.tiff": tiff(RGB16, planar=True),
    "rgb.ppm": b"P6 5 6 65535\n" + RGB16.astype(">u2").tobytes(),
    "plain.ppm": b"P3 1 1 1023\n1 2 1000\n",
    "rgb.sgi": sgi(RGB16),
    "rgb.jp2": None,
}


@pytest.mark.parametrize("name", DEEP)
def test_colours_of_16_bits_are_not_read_as_8(name, tmp_path, capsys):
    content = DEEP[name] or jpeg2000(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / name).write_bytes(content)
    done = stats(capsys, tmp_path / "deep")
    assert done.status == 1
    assert f"{name}: has more than 8 bits for each of several channels" in done.err


@pytest.mark.parametrize("bits", [8, 16])
def test_files_made_here_are_read(bits, tmp_path, capsys):
    """Those above are refused for their bits, and not because something is wrong with them."""
    values = RGB if bits == 8 else GREY16
    file = tmp_path / "image.tiff"
    file.write_bytes(tiff(values))
    assert_are(only_kind(capsys, tmp_path, file), [values.reshape(6, 5, -1)], 2**bits - 1)
    file.write_bytes(png(GREY16, 0))
    assert_are(only_kind(capsys, tmp_path, file), [GREY16[..., None]], 65535)


def test_colours_of_5_bits_are_no_16(tmp_path, capsys):
    """Of a BMP file, 16 bits are all colours' together."""
    head = struct.pack("<2sIHHI", b"BM", 54 + 8, 0, 0, 54)
    head += struct.pack("<IiiHHIIiiII", 40, 2, 2, 1, 16, 0, 8, 0, 0, 0, 0)
    (tmp_path / "image.bmp").write_bytes(head + struct.pack("<4H", 0, 0x7FFF, 0x1F, 0))
    kind = only_kind(capsys, tmp_path, tmp_path / "image.bmp")
    assert kind["max"] == [255, 255, 255] and kind["count"] == 4


def test_signed_16_bits(tmp_path, capsys):
    values = GREY16.astype(np.int16)
    (tmp_path / "image.tiff").write_bytes(tiff(values, sample=2))
    kind = only_kind(capsys, tmp_path, tmp_path / "image.tiff")
    assert kind["name"] == "grey, 16 bits with sign" and kind["max_value"] is None
    assert_are(kind, [values[..., None]], None)


def test_integers_of_32_bits_are_refused(tmp_path, capsys):
    (tmp_path / "image.tiff").write_bytes(tiff(GREY16.astype(np.int32), sample=2))
    done = stats(capsys, tmp_path)
    assert "image.tiff: has integers of 32 bits: statistics are taken of 8 and 16" in done.err


def test_of_several_images_the_first_counts(tmp_path, capsys):
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "images.tiff", save_all=True, append_images=frames[1:])
    done = stats(capsys, tmp_path)
    assert done.status == 0
    assert "1 file with several images: the first of each was counted" in done.out
    assert only_kind(capsys, tmp_path, tmp_path / "images.tiff")["mean"] == [10]


def test_suffixes_may_be_wrong(tmp_path, capsys):
    Image.fromarray(RGB).save(tmp_path / "image.bmp")
    (tmp_path / "image.bmp").rename(tmp_path / "image.jpg")
    assert_are(only_kind(capsys, tmp_path, tmp_path / "image.jpg"), [RGB])
