"""`numbanorm stats` on arrays: .npy, .npz and zarr, in every layout, and piece by piece."""

import zipfile

import numpy as np
import pytest
from processes import start
from stats_files import assert_are, results, stats

from numbanorm.stats import views

RNG = np.random.default_rng(0)

DTYPES = {"uint8": 255, "uint16": 65535, "int16": None}
DTYPES |= dict.fromkeys(("float16", "float32", "float64"))


def random(shape, dtype="uint8"):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return RNG.normal(3, 2, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max + 1, shape).astype(dtype)


def save(file, x, chunks=None):
    """Write an array by the suffix of the file's name."""
    if file.suffix == ".npy":
        np.save(file, x)
    elif file.suffix == ".npz":
        np.savez_compressed(file, labels=np.arange(len(x)), images=x)
    else:
        zarr = pytest.importorskip("zarr")
        zarr.create_array(file, data=x, chunks=chunks or "auto")
    return file


@pytest.fixture(params=["x.npy", "x.npz", "x.zarr"])
def file(request, tmp_path):
    return tmp_path / request.param


@pytest.fixture
def small_pieces(monkeypatch):
    """Let small arrays be of many pieces."""
    monkeypatch.setattr(views, "PIECE_BYTES", 1000)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("dtype", DTYPES)
def test_statistics_are_those_of_the_whole(dtype, file, tmp_path, capsys):
    # Neither 50 rows nor chunks of 4 are a multiple of a piece.
    x = random((50, 9, 11, 3), dtype)
    save(file, x, (4, 9, 5, 2))
    (kind,) = results(capsys, tmp_path, file)["kinds"]
    assert kind["name"] == f"array of {dtype}, 3 channels" and kind["first"] == str(file)
    assert_are(kind, list(x), DTYPES[dtype])


LAYOUTS = [
    # Shape, --layout, and where the axes go to be images of (N, H, W, C).
    ((7, 6, 5, 4), None, lambda x: x),
    ((7, 6, 5, 1), None, lambda x: x),
    ((6, 5, 3), None, lambda x: x[None]),
    ((7, 6, 5, 9), "NHWC", lambda x: x),
    ((6, 5, 9), "NHWC", lambda x: x[None]),
    ((7, 9, 6, 5), "NCHW", lambda x: x.transpose(0, 2, 3, 1)),
    ((3, 6, 5), "NCHW", lambda x: x.transpose(1, 2, 0)[None]),
    ((7, 6, 5), "NHW", lambda x: x[..., None]),
    ((6, 5), "NHW", lambda x: x[None, ..., None]),
]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("shape", "layout", "images"), LAYOUTS)
@pytest.mark.parametrize("piece", [30, 1 << 22])
def test_layouts(piece, shape, layout, images, order, file, tmp_path, capsys, monkeypatch):
    """In pieces of about a row, and in one."""
    monkeypatch.setattr(views, "PIECE_BYTES", piece)
    x = random(shape)
    save(file, np.asarray(x, order=order))
    options = [] if layout is None else ["--layout", layout]
    (kind,) = results(capsys, tmp_path, file, *options)["kinds"]
    assert_are(kind, list(images(x)))


@pytest.mark.parametrize("shape", [(7, 6, 5), (7, 9, 6, 5), (7, 6), (2, 7, 6, 5, 3), (7,), ()])
def test_unclear_layouts_are_asked_for(shape, tmp_path, capsys):
    np.save(tmp_path / "x.npy", random(shape))
    done = stats(capsys, tmp_path)
    assert done.status == 1
    where = f"--layout must say where the channels are in shape {shape}: NHWC, NCHW or NHW"
    assert where in done.err


@pytest.mark.parametrize("dtype", ["bool", "int32", "uint64", "complex64", "U3"])
def test_other_dtypes_are_refused(dtype, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 4, 1), dtype))
    done = stats(capsys, tmp_path)
    assert done.status == 1
    assert "dtype must be uint8, uint16, int16, float16, float32 or float64, got " in done.err


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_the_other_byte_order(suffix, tmp_path, capsys):
    x = random((7, 6, 5, 3), "uint16")
    save(tmp_path / f"x{suffix}", x.astype(">u2"))
    (kind,) = results(capsys, tmp_path, tmp_path / f"x{suffix}")["kinds"]
    assert_are(kind, list(x), 65535)


def test_members_are_chosen_or_asked_for(tmp_path, capsys):
    a, b = random((7, 6, 5, 3)), random((2, 3, 4, 1))
    np.savez(tmp_path / "x.npz", a=a, b=b, labels=np.arange(7), names=np.array(["x", None]))
    done = stats(capsys, tmp_path / "x.npz")
    assert done.status == 1
    assert (
        "--key must say which member is of images: a (uint8 (7, 6, 5, 3)), "
        "b (uint8 (2, 3, 4, 1)), labels (int64 (7,)), names (object (2,))"
    ) in done.err
    (kind,) = results(capsys, tmp_path, tmp_path / "x.npz", "--key", "b")["kinds"]
    assert_are(kind, list(b))
    done = stats(capsys, tmp_path / "x.npz", "--key", "c")
    assert "--key must be one of a, b, labels, names, got c" in done.err


@pytest.mark.usefixtures("small_pieces")
def test_broken_arrays_count_for_nothing(tmp_path, capsys):
    """Not even their pieces that could be read."""
    x = random((50, 9, 11, 3))
    save(tmp_path / "a.npy", x)
    for name in ("cut.npy", "empty.npy", "text.npy", "cut.npz", "bits.npz"):
        save(tmp_path / name, x)
    for name in ("cut.npy", "cut.npz"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-500])
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "text.npy").write_text("no array")
    content = bytearray((tmp_path / "bits.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "bits.npz") as archive:
        place = archive.getinfo("images.npy").header_offset
    # In the middle of the data, whose first pieces are fine.
    content[place + 10_000] ^= 0xFF
    (tmp_path / "bits.npz").write_bytes(content)
    found = results(capsys, tmp_path, tmp_path)
    assert found["files"] == 1 and len(found["broken"]) == 5
    assert_are(found["kinds"][0], list(x))


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("threads", [1, 3])
def test_broken_chunks_are_named_once(threads, tmp_path, capsys):
    x = random((50, 9, 11, 3))
    for name in ("a.zarr", "b.zarr", "c.zarr"):
        save(tmp_path / name, x, (4, 9, 11, 3))
    for chunk in (tmp_path / "b.zarr/c").rglob("0"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:20])
    done = stats(capsys, tmp_path, "--threads", threads)
    assert done.err.count("b.zarr") == 1
    (kind,) = results(capsys, tmp_path, tmp_path, "--threads", threads)["kinds"]
    assert_are(kind, [*x, *x])


def test_zarr_groups_are_searched(tmp_path, capsys):
    zarr = pytest.importorskip("zarr")
    zarr.open_group(tmp_path / "group.zarr", mode="w")
    x = random((7, 6, 5, 3))
    described = {"shape": x.shape, "dtype": x.dtype}
    described |= {"chunks": (2, 6, 5, 3), "shards": (4, 6, 5, 3)}
    for name in "train", "test":
        # zarr 3.0 writes `data` wrongly into shards.
        zarr.create_array(tmp_path / "group.zarr" / name, **described)[:] = x
    old = zarr.create_array(tmp_path / "old.zarr", data=x, zarr_format=2)
    assert old.shape == x.shape
    found = results(capsys, tmp_path, tmp_path)
    assert found["files"] == 3
    assert_are(found["kinds"][0], [*x] * 3)


def test_missing_zarr_is_named(tmp_path):
    save(tmp_path / "x.zarr", random((7, 6, 5, 3)))
    code = """
import sys
sys.modules["zarr"] = None
from numbanorm import cli
sys.exit(cli.main(["stats", sys.argv[1]]))
"""
    process = start(code, tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and "pip install 'numbanorm[zarr]'" in err
