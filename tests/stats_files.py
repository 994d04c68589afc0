"""Files that `numbanorm stats` reads in tests, and what it makes of them."""

import io
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from numbanorm import cli

Image = pytest.importorskip("PIL.Image")

MODES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}


def pixels(rng, mode, shape):
    """Return random values of an image of a mode, of shape (H, W) or (H, W, C)."""
    if mode == "F":
        return rng.normal(3, 2, shape).astype(np.float32)
    if mode == "I;16":
        return rng.integers(0, 65536, shape, np.uint16)
    channels = () if mode == "L" else (MODES[mode],)
    return rng.integers(0, 256, (*shape, *channels), np.uint8)


def write(folder, mode, shapes, suffix=".png", seed=0):
    """Write an image for each shape; returns the values, each of shape (H, W, C)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    written = []
    for i, shape in enumerate(shapes):
        values = pixels(rng, mode, shape)
        file = folder / f"{i:04d}{suffix}"
        if suffix == ".pgm":
            # Pillow wrote no such files before version 11.
            head = f"P5 {shape[1]} {shape[0]} 65535\n".encode()
            file.write_bytes(head + values.astype(">u2").tobytes())
        else:
            Image.fromarray(values).save(file)
        written.append(values.reshape(*shape, -1))
    return written


def stats(capsys, *arguments, stdin=None, monkeypatch=None):
    """Run the command; returns its status and what it printed."""
    if stdin is not None:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
    status = cli.main(["stats", *map(str, arguments)])
    printed = capsys.readouterr()
    return SimpleNamespace(status=status, out=printed.out, err=printed.err)


def results(capsys, tmp_path, *arguments, status=0):
    """Run the command, which must end so; returns its results as JSON has them."""
    target = tmp_path / "results.json"
    done = stats(capsys, *arguments, "--json", target)
    assert done.status == status, done.err
    return json.loads(target.read_text())


def assert_are(found, images, scale=255):
    """Assert that a kind's statistics are those of images: integers' exactly, floats' nearly."""
    channels = images[0].shape[-1]
    everything = np.concatenate([image.reshape(-1, channels) for image in images])
    x = everything.astype(np.float64)
    assert found["images"] == len(images)
    assert found["count"] == len(x)
    assert found["min"] == x.min(0).tolist() and found["max"] == x.max(0).tolist()
    # float64 rounds a sum of 1e6 terms by about 1e-13 of itself.
    np.testing.assert_allclose(found["mean"], x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(found["std"], x.std(0), rtol=1e-12)
    if scale is not None:
        np.testing.assert_allclose(found["scaled_mean"], x.mean(0) / scale, rtol=1e-12)
        np.testing.assert_allclose(found["scaled_std"], x.std(0) / scale, rtol=1e-12)
    if everything.dtype.kind in "iu":
        sums = found["moments"]["integers"]
        assert sums["sum"] == everything.sum(0, dtype=np.int64).tolist()
        assert sums["squares"] == (everything.astype(np.int64) ** 2).sum(0).tolist()
