"""Programs that PyInstaller makes, with nothing said to it: they work, and start warm.

Where numbanorm has its kernels compiled ahead, they need no Numba, and keep no file.
"""

import ast
import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from processes import ROOT, run

from numbanorm import _pyinstaller
from numbanorm.prebuilt import library

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
from numbanorm import _info, cabi
from numbanorm.prebuilt import library

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
    print(_info.report())
    if library.loaded() is not None:
        assert "numba" not in sys.modules
    else:
        from numbanorm import jit
        assert jit.row_view(1, 2) == (1, 1, 1, 2, 1)
"""


# As `--onedir` and `--onefile` have it, with one search for what a program needs.
SPECIFICATION = """
found = Analysis(["program.py"])
modules = PYZ(found.pure)
start = EXE(modules, found.scripts, exclude_binaries=True, name="program")
COLLECT(start, found.binaries, found.datas, name="folder")
EXE(modules, found.scripts, found.binaries, found.datas, name="file")
"""


PROGRAMS = "folder/program", "file"


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


def report(program, folder):
    """Run a program that may write to a folder only; returns what it printed."""
    asked = os.environ.get("NUMBANORM_KERNELS", "")
    done = subprocess.run(
        [program],
        cwd=folder,
        env={"HOME": str(folder), "PATH": os.environ["PATH"], "NUMBANORM_KERNELS": asked},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(library.loaded() is not None, reason="kernels are compiled ahead here")
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_second_start_compiles_nothing(programs, program, tmp_path):
    states = []
    for _ in range(2):
        folder = tmp_path / ".cache" / "numbanorm"
        assert str(folder) in report(programs / program, tmp_path)
        states.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")})
        assert states[-1] and all(path.is_relative_to(folder) for path in states[-1])
    assert states[0] == states[1]


@pytest.mark.skipif(library.loaded() is None, reason="kernels are compiled by Numba here")
@pytest.mark.parametrize("program", PROGRAMS)
def test_kernels_compiled_ahead_are_inside(programs, program, tmp_path):
    assert "compiled ahead" in report(programs / program, tmp_path)
    assert not list(tmp_path.iterdir())


HOOK = """
import runpy, sys
print(runpy.run_path(sys.argv[1])["binaries"])
"""


def test_the_hook_finds_a_library(tmp_path):
    """Where it must lie in a program: beside the module that looks for it."""
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    copy = tmp_path / "numbanorm"
    shutil.copytree(Path(_pyinstaller.__file__).parents[1], copy)
    path = copy / "prebuilt" / library.NAME
    path.touch()
    hook = copy / "_pyinstaller" / "hook-numbanorm.py"
    found = run(HOOK, hook, cwd=tmp_path, environment={"PYTHONPATH": str(tmp_path)}, options=())
    assert ast.literal_eval(found) == [(str(path), "numbanorm/prebuilt")]
