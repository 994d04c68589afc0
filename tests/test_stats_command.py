"""`numbanorm stats` on image files: its statistics are NumPy's, and what it says of files."""

import io
import json
import re
import sys

import numpy as np
import pytest
from processes import start
from stats_files import Image, assert_are, results, stats, write

from numbanorm import _demo, cli

SMALL = [(8, 9)] * 20
# Runs of one shape, of a lone one, and images above what is added up together.
SHAPES = [*SMALL * 7, (1, 1), (5, 1), *SMALL, (700, 600), (700, 600), (3, 3)]
SCALES = {"I;16": 65535, "F": None}


@pytest.mark.parametrize(
    ("mode", "suffix", "name"),
    [
        ("L", ".png", "grey, 8 bits"),
        ("LA", ".png", "grey with alpha, 8 bits"),
        ("RGB", ".png", "RGB, 8 bits"),
        ("RGB", ".bmp", "RGB, 8 bits"),
        ("RGBA", ".tiff", "RGBA, 8 bits"),
        ("I;16", ".png", "grey, 16 bits"),
        ("I;16", ".tif", "grey, 16 bits"),
        ("I;16", ".pgm", "grey, 16 bits"),
        ("F", ".tiff", "grey, float32"),
    ],
)
def test_statistics_are_those_of_the_whole_set(mode, suffix, name, tmp_path, capsys):
    images = write(tmp_path / "images", mode, SHAPES, suffix)
    found = results(capsys, tmp_path, tmp_path / "images")
    assert found["files"] == len(images) and not found["broken"] and not found["mixed"]
    (kind,) = found["kinds"]
    assert kind["name"] == name
    assert kind["first"] == str(tmp_path / "images" / f"0000{suffix}")
    assert_are(kind, images, SCALES.get(mode, 255))


def test_digits(tmp_path, capsys):
    images = (_demo.load_digits()[:, 0] * 255).astype(np.uint8)
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    done = stats(capsys, tmp_path)
    assert done.status == 0 and done.err == ""
    mean, std = f"{images.mean() / 255:.6g}", f"{images.std() / 255:.6g}"
    lines = done.out.splitlines()
    assert lines[0].startswith("grey, 8 bits: 400 images, 313,600 pixels, first ")
    assert re.fullmatch(rf"grey +[\d.]+ +[\d.]+ +0 +255 +{mean} +{std}", lines[2])
    assert lines[4] == "400 files read, 0 could not be read"
    assert lines[6:] == [
        f"transforms.Normalize(mean=[{mean}], std=[{std}])",
        f"A.Normalize(mean=({mean},), std=({std},), max_pixel_value=255.0)",
        f"nbn.normalize_images(images, [{mean}], [{std}])",
    ]


def test_mixed_kinds_are_told_apart(tmp_path, capsys):
    grey = write(tmp_path / "a", "L", SMALL)
    rgb = write(tmp_path / "b", "RGB", SMALL[:7])
    more = write(tmp_path / "c", "L", SMALL[:3], seed=1)
    found = results(capsys, tmp_path, tmp_path, status=1)
    assert found["mixed"]
    assert [kind["name"] for kind in found["kinds"]] == ["grey, 8 bits", "RGB, 8 bits"]
    assert_are(found["kinds"][0], grey + more)
    assert_are(found["kinds"][1], rgb)
    done = stats(capsys, tmp_path)
    assert "23 grey, 8 bits (first " in done.err and "7 RGB, 8 bits (first " in done.err
    assert done.err.rstrip().endswith("--mode RGB counts them as one")
    assert "Normalize" not in done.out
    (kind,) = results(capsys, tmp_path, tmp_path, "--mode", "RGB")["kinds"]
    as_rgb = [np.repeat(image, 3, -1) for image in grey + more]
    assert_are(kind, as_rgb[:20] + rgb + as_rgb[20:])


def test_depths_do_not_mix_by_a_mode(tmp_path, capsys):
    write(tmp_path / "a", "L", SMALL[:2])
    write(tmp_path / "b", "I;16", SMALL[:2])
    done = stats(capsys, tmp_path)
    assert done.status == 1 and done.err.rstrip().endswith("give those of one kind at a time")
    done = stats(capsys, tmp_path, "--mode", "L")
    assert done.status == 0
    assert "0000.png: is grey, 16 bits, which --mode L doesn't convert" in done.err
    assert "2 files read, 2 could not be read" in done.out


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_mode_is_what_pillow_converts_to(mode, tmp_path, capsys):
    (values,) = write(tmp_path / "images", "RGBA", [(9, 7)])
    (kind,) = results(capsys, tmp_path, tmp_path / "images", "--mode", mode)["kinds"]
    converted = np.asarray(Image.fromarray(values).convert(mode))
    assert_are(kind, [converted.reshape(9, 7, -1)])


def test_broken_files_are_named_and_counted(tmp_path, capsys):
    images = write(tmp_path / "images", "RGB", SHAPES)
    broken = {
        "0003.png": b"",
        "0020.png": (tmp_path / "images/0021.png").read_bytes()[:-60],
        "0030.png": b"no image at all",
    }
    for name, content in broken.items():
        (tmp_path / "images" / name).write_bytes(content)
    kept = [image for i, image in enumerate(images) if f"{i:04d}.png" not in broken]
    found = results(capsys, tmp_path, tmp_path / "images")
    assert [one["file"] for one in found["broken"]] == [
        str(tmp_path / "images" / name) for name in broken
    ]
    assert_are(found["kinds"][0], kept)
    done = stats(capsys, tmp_path / "images")
    lines = done.err.splitlines()
    assert all(name in line for name, line in zip(broken, lines, strict=True))
    assert all(line.startswith("numbanorm stats: ") for line in lines)
    assert f"{len(kept)} files read, 3 could not be read" in done.out


def test_strict_stops_at_the_first_broken_file(tmp_path, capsys):
    write(tmp_path, "L", SMALL)
    for name in "0005.png", "0011.png":
        (tmp_path / name).write_bytes(b"")
    done = stats(capsys, tmp_path, "--strict")
    assert done.status == 1 and done.out == ""
    assert "0005.png" in done.err and "0011.png" not in done.err


def test_nothing_readable_is_an_error(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"")
    done = stats(capsys, tmp_path)
    assert done.status == 1 and "files must be readable, got 1 that are not" in done.err


def test_no_bar_where_there_is_no_terminal(tmp_path):
    write(tmp_path, "L", SMALL)
    code = "import sys; from numbanorm import cli; sys.exit(cli.main(['stats', sys.argv[1]]))"
    process = start(code, tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and err == "" and "20 files read" in out


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("tqdm", [True, False])
def test_a_terminal_has_a_bar(tqdm, tmp_path, monkeypatch):
    """Above which broken files are named; without tqdm, they alone are."""
    pytest.importorskip("tqdm")
    write(tmp_path, "L", SMALL)
    (tmp_path / "0003.png").write_bytes(b"")
    monkeypatch.setattr(sys, "stderr", Terminal())
    if not tqdm:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    assert cli.main(["stats", str(tmp_path)]) == 0
    shown = sys.stderr.getvalue()
    assert shown.count("0003.png") == 1
    assert ("100%|" in shown and " 20/20 files [" in shown) == tqdm


def test_results_as_json_have_what_is_printed(tmp_path, capsys):
    (image,) = write(tmp_path / "images", "F", [(5, 6)], ".tiff")
    image[0, 0] = np.nan
    Image.fromarray(image[..., 0]).save(tmp_path / "images/0000.tiff")
    text = json.dumps(results(capsys, tmp_path, tmp_path / "images"))
    assert "NaN" not in text and '"mean": ["nan"]' in text
