"""Programs that PyInstaller makes, with nothing said to it: they work, and start warm."""

import os
import subprocess
import sys
from importlib import metadata

import pytest
from processes import ROOT

pytestmark = [
    pytest.mark.frozen,
    pytest.mark.skipif(
        sys.platform != "linux", reason="programs are looked into as Linux has them"
    ),
]

PROGRAM = """
import multiprocessing
import sys
import numpy as np
import numbanorm as nbn
from numbanorm import _info, cabi, jit

def largest(x):
    return float(np.abs(nbn.batch_norm(x, training=True)).max())

if __name__ == "__main__":
    multiprocessing.freeze_support()
    assert sys.frozen
    nbn.set_num_threads(2)
    x = np.random.default_rng(0).standard_normal((8, 16, 64, 64)).astype(np.float32)
    wide = x.astype(float)
    mean, var = wide.mean((0, 2, 3), keepdims=True), wide.var((0, 2, 3), keepdims=True)
    wanted = (wide - mean) / np.sqrt(var + 1e-5)
    y = nbn.batch_norm(x, training=True)
    assert np.abs(y - wanted).max() < 1e-5
    for method in "fork", "spawn":
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert abs(pool.map(largest, [x])[0] - np.abs(wanted).max()) < 1e-5
    assert "nbn_layer_norm_f32" in cabi.header()
    assert jit.row_view(1, 2) == (1, 1, 1, 2, 1)
    print(_info.report())
"""


# As `--onedir` and `--onefile` have it, with one search for what a program needs.
SPECIFICATION = """
found = Analysis(["program.py"])
modules = PYZ(found.pure)
start = EXE(modules, found.scripts, exclude_binaries=True, name="program")
COLLECT(start, found.binaries, found.datas, name="folder")
EXE(modules, found.scripts, found.binaries, found.datas, name="file")
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Return the folder of the programs, built where nothing tells of the sources here."""
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    names = {point.value for point in metadata.entry_points(group="pyinstaller40")}
    if "numbanorm._pyinstaller:get_hook_dirs" not in names:
        pytest.skip("numbanorm is not installed, so that PyInstaller does not find its hook")
    folder = tmp_path_factory.mktemp("frozen")
    (folder / "program.py").write_text(PROGRAM)
    (folder / "program.spec").write_text(SPECIFICATION)
    command = [sys.executable, "-m", "PyInstaller", "--log-level=WARN", "program.spec"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "dist"


@pytest.mark.parametrize("program", ["folder/program", "file"])
def test_the_second_start_compiles_nothing(programs, program, tmp_path):
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    states = []
    for _ in range(2):
        done = subprocess.run(
            [programs / program],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        folder = tmp_path / ".cache" / "numbanorm"
        assert str(folder) in done.stdout
        states.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")})
        assert states[-1] and all(path.is_relative_to(folder) for path in states[-1])
    assert states[0] == states[1]
