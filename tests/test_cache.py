"""The disk cache of compiled kernels: used, shared, damaged, absent. Each test starts processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Right results or an exception, and at the end the name of every file in the cache folder.
PROGRAM = """
import sys
import numpy as np
import numbanorm as nbn
x = np.random.default_rng(0).standard_normal((40, 3, 50, 50)).astype(np.float32)
wide = x.astype(np.float64)
mean, var = wide.mean((0, 2, 3), keepdims=True), wide.var((0, 2, 3), keepdims=True)
for layout in sys.argv[1:]:
    a = x if layout == "NCHW" else np.ascontiguousarray(np.moveaxis(x, 1, -1))
    y = nbn.batch_norm(a, training=True, layout=layout)
    y = y if layout == "NCHW" else np.moveaxis(y, -1, 1)
    assert np.abs(y - (wide - mean) / np.sqrt(var + 1e-5)).max() < 1e-5, layout
"""


def start(cache, *layouts):
    """Start the program with a cache folder; any warning is an error in it."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM, *(layouts or ("NCHW",))],
        env=environment,
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """Wait for the program: it must succeed and say nothing."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out == "" and err == ""


def kernels(cache):
    """Return {name: (mtime, contents)} of all cached kernels."""
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in cache.rglob("*.nbc")}


def test_second_process_loads_what_the_first_compiled(tmp_path):
    """A key that changes from process to process, or a load that fails, writes files anew."""
    finish(start(tmp_path))
    first = kernels(tmp_path)
    assert first
    finish(start(tmp_path))
    assert kernels(tmp_path) == first

    # Damaged in three ways: cut short, a byte changed inside the code, empty.
    for index, name in enumerate(sorted(first)):
        (path,) = tmp_path.rglob(name)
        whole = bytearray(first[name][1])
        whole[len(whole) // 2] ^= 0xFF
        path.write_bytes([whole[: len(whole) // 3], bytes(whole), b""][index % 3])
    finish(start(tmp_path))
    # ... and made good: the process that met the damage wrote them again.
    assert {k: len(v[1]) for k, v in kernels(tmp_path).items()} == {
        k: len(v[1]) for k, v in first.items()
    }


@pytest.mark.parametrize("inside", ["file", "file/below"])
def test_no_cache_folder_is_no_error(tmp_path, inside):
    """Numba itself raises at decoration. (A read-only folder would stop no test run by root.)"""
    (tmp_path / "file").write_text("not a folder")
    finish(start(tmp_path / inside))
    assert (tmp_path / "file").read_text() == "not a folder"


def test_two_processes_share_an_empty_cache(tmp_path):
    """Writing in place, or one shared index, would let one process read the other's half file."""
    both = [start(tmp_path, "NCHW", "NHWC"), start(tmp_path, "NHWC", "NCHW")]
    for process in both:
        finish(process)
    assert kernels(tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".nbc"]
