"""The disk cache of compiled kernels: used, shared, damaged, absent. Each test starts processes."""

import os
import shutil
import sys
import zipfile

import pytest
from processes import ROOT, finish, run, start

from numbanorm import _versions

# Right results or an exception.
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

# Little is compiled, for both types: what is tested is whose code is found.
SMALL = """
import sys
import numpy as np
from numbanorm import _run
for dtype in sys.argv[1:]:
    mean, var = np.zeros(2, dtype), np.ones(2, dtype)
    count = np.zeros((), np.int64)
    _run.update_running(mean, var, count, np.array([1.0, 2]), np.array([3.0, 4]), 4, 0.5)
    assert mean.tolist() == [0.5, 1] and count == 1, (dtype, mean)
    np.testing.assert_allclose(var, [2.5, 0.5 + 2 * 4 / 3], rtol=1e-6)
    found, rstd = _run.statistics(mean, var, 0.0, np.dtype(dtype))
    np.testing.assert_allclose(rstd, 1 / np.sqrt(var), rtol=1e-6)
    np.testing.assert_array_equal(found, mean)
"""


def in_cache(cache, **more):
    """Return an environment with this folder for Numba's caches."""
    return {"environment": {"NUMBA_CACHE_DIR": str(cache), **more}}


def kernels(cache):
    """Return {path: (mtime, contents)} of all cached kernels."""
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in cache.rglob("*.nbc")}


def test_second_process_loads_what_the_first_compiled(tmp_path):
    """A key that changes from process to process, or a load that fails, writes files anew."""
    run(PROGRAM, "NCHW", **in_cache(tmp_path))
    first = kernels(tmp_path)
    assert first
    run(PROGRAM, "NCHW", **in_cache(tmp_path))
    assert kernels(tmp_path) == first

    # Damaged in three ways: cut short, a byte changed inside the code, empty.
    for index, path in enumerate(sorted(first)):
        whole = bytearray(first[path][1])
        whole[len(whole) // 2] ^= 0xFF
        path.write_bytes([whole[: len(whole) // 3], bytes(whole), b""][index % 3])
    run(PROGRAM, "NCHW", **in_cache(tmp_path))
    # ... and made good: the process that met the damage wrote them again.
    assert {k: len(v[1]) for k, v in kernels(tmp_path).items()} == {
        k: len(v[1]) for k, v in first.items()
    }


@pytest.mark.parametrize("inside", ["file", "file/below"])
def test_no_cache_folder_is_no_error(tmp_path, inside):
    """Numba itself raises at decoration. (A read-only folder would stop no test run by root.)"""
    (tmp_path / "file").write_text("not a folder")
    run(SMALL, "float32", **in_cache(tmp_path / inside))
    assert (tmp_path / "file").read_text() == "not a folder"


def test_two_processes_share_an_empty_cache(tmp_path):
    """Writing in place, or one shared index, would let one process read the other's half file."""
    orders = ("NCHW", "NHWC"), ("NHWC", "NCHW")
    for process in [start(PROGRAM, *order, **in_cache(tmp_path)) for order in orders]:
        assert finish(process) == ""
    assert kernels(tmp_path)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".nbc"]


STRESS = """
import sys
from numbanorm.kernels.compile.cache import read, write
for turn in range(100):
    for number in range(20):
        wanted = f"{number} ".encode() * 20_000
        found = read(f"file-{number}")
        assert found in (None, wanted), (number, len(found))
        write(f"file-{number}", wanted)
"""


def test_files_are_read_whole_while_they_are_written(tmp_path):
    for process in [start(STRESS, **in_cache(tmp_path)) for _ in range(4)]:
        finish(process)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        f"file-{number}" for number in range(20)
    }


@pytest.mark.parametrize("turn", range(3))
def test_eight_processes_share_an_empty_cache(tmp_path, turn):
    """Numba's index pairs a signature with another's code when two processes write it at once."""
    dtypes = "float32", "float64"
    orders = [dtypes[:: (-1) ** number] for number in range(8)]
    for process in [start(SMALL, *order, **in_cache(tmp_path)) for order in orders]:
        finish(process)
    assert kernels(tmp_path)


def test_code_for_another_processor_is_not_loaded(tmp_path):
    """As if the cache had been copied from one: it is neither used nor overwritten."""
    other = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    run(SMALL, "float32", **in_cache(tmp_path, **other))
    first = kernels(tmp_path)
    run(SMALL, "float32", **in_cache(tmp_path))
    both = kernels(tmp_path)
    assert first.items() < both.items() and len(both) == 2 * len(first)


def test_code_of_other_settings_is_not_loaded(tmp_path):
    """Numba's key knows no options: unoptimised code, once cached, would serve for ever."""
    run(SMALL, "float32", **in_cache(tmp_path, NUMBA_OPT="0"))
    first = kernels(tmp_path)
    run(SMALL, "float32", **in_cache(tmp_path))
    assert len(kernels(tmp_path)) == 2 * len(first)


@pytest.fixture
def copied(tmp_path):
    """A copy of the package, to be changed."""
    there = tmp_path / "site"
    ignored = shutil.ignore_patterns("__pycache__", "data")
    shutil.copytree(ROOT / "numbanorm", there / "numbanorm", ignore=ignored)
    return there


@pytest.mark.parametrize("file", ["kernels/operations/finishing.py", "_tiles.py", "__init__.py"])
def test_code_of_other_sources_is_not_loaded(copied, tmp_path, file):
    """Numba's own cache looks at the file of the function only, not at what that calls."""
    environment = in_cache(tmp_path / "cache", PYTHONPATH=str(copied))
    run(SMALL, "float32", cwd=tmp_path, **environment)
    first = kernels(tmp_path / "cache")
    path = copied / "numbanorm" / file
    text = path.read_text()
    changed = text.replace('__version__ = "', '__version__ = "9')
    path.write_text(changed if changed != text else text + "\n# Changed.\n")
    run(SMALL, "float32", cwd=tmp_path, **environment)
    assert len(kernels(tmp_path / "cache")) == 2 * len(first)


@pytest.mark.parametrize("kind", ["zip", "compiled"])
def test_a_package_without_source_files(copied, tmp_path, kind):
    """In a zip file, or compiled only: the key must see its contents, and nothing be a file."""
    package = copied
    if kind == "zip":
        package = tmp_path / "numbanorm.zip"
        with zipfile.ZipFile(package, "w") as file:
            for path in copied.rglob("*.py"):
                file.write(path, path.relative_to(copied))
    else:
        run(
            "import compileall, sys; sys.exit(not compileall.compile_dir(sys.argv[1], quiet=1, "
            "legacy=True))",
            copied,
        )
        for path in copied.rglob("*.py"):
            path.unlink()
    environment = {"PYTHONPATH": str(package), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment |= {"NUMBA_CACHE_DIR": None}
    code = "import numbanorm; assert 'site' in numbanorm.__file__ or 'zip' in numbanorm.__file__\n"
    run(code + SMALL, "float32", cwd=tmp_path, environment=environment)
    first = kernels(tmp_path)
    assert first
    run(code + SMALL, "float32", cwd=tmp_path, environment=environment)
    assert kernels(tmp_path) == first


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="what it limits is Linux's")

# A program that may write only where files' modes let it, whoever runs it; and, in a container,
# one whose user has no account.
UNPRIVILEGED = """
import ctypes, os, pwd
header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert ctypes.CDLL(None).capset(header, none) == 0
if "HOME" not in os.environ:
    pwd.getpwuid = {}.__getitem__
"""


@pytest.fixture
def read_only(copied):
    """Make the copy of the package a read-only one."""

    def make():
        folders = [path for path in copied.rglob("*") if path.is_dir()]
        for folder in folders:
            folder.chmod(0o555)

    yield make
    for folder, _, _ in os.walk(copied):
        os.chmod(folder, 0o755)


@on_linux
@pytest.mark.parametrize("home", [None, "/nonexistent", "/proc"])
def test_a_user_with_no_place_to_write_to(copied, read_only, tmp_path, home):
    """Kernels are compiled at each start; nothing is written, in the folder it runs in least."""
    read_only()
    environment = {"NUMBA_CACHE_DIR": None, "XDG_CACHE_HOME": None, "HOME": home}
    before = sorted(tmp_path.rglob("*"))
    environment |= {"PYTHONPATH": str(copied)}
    run(UNPRIVILEGED + SMALL, "float32", cwd=tmp_path, environment=environment)
    assert sorted(tmp_path.rglob("*")) == before


@on_linux
def test_kernels_of_an_administrator_serve_all(copied, read_only, tmp_path):
    """Compiled beside a package that its users can only read: they load, and compile nothing."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {"NUMBA_CACHE_DIR": None, "PYTHONPATH": str(copied), "HOME": str(home)}
    run("import os; os.umask(0o022)\n" + SMALL, "float32", cwd=tmp_path, environment=environment)
    first = kernels(copied)
    assert first and all(path.stat().st_mode & 0o777 == 0o644 for path in first)
    read_only()
    run(UNPRIVILEGED + SMALL, "float32", cwd=tmp_path, environment=environment)
    assert kernels(tmp_path) == first
    # What is not there yet goes to the user's own folder.
    run(UNPRIVILEGED + SMALL, "float64", cwd=tmp_path, environment=environment)
    assert kernels(home) and kernels(copied) == first


FULL = """
import resource
# No file can grow past its first byte: as on a disk that is full, but for the error's number.
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
"""


@on_linux
def test_a_full_disk_is_no_error(tmp_path):
    """And leaves no half files behind."""
    run(FULL + SMALL, "float32", **in_cache(tmp_path))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


VERSION = """
import numba, sys
numba.__version__ = sys.argv[1]
import numpy as np
import numbanorm as nbn
x = np.ones((2, 2), np.float32)
try:
    nbn.batch_norm(x, training=True)
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize("version", ["0.67.9", "0.69.0", "0.69.0dev0+1.g1", "1.0"])
def test_another_numba_is_refused(tmp_path, version):
    out = run(VERSION, version, **in_cache(tmp_path))
    assert f"needs numba>=0.68,<0.69, got numba {version}" in out


def test_numba_without_a_compiler_is_refused(tmp_path):
    process = start(SMALL, "float32", **in_cache(tmp_path, NUMBA_DISABLE_JIT="1"))
    assert "NUMBA_DISABLE_JIT must be 0" in process.communicate(timeout=60)[1]


def test_the_range_of_numba_is_that_of_the_package():
    first, beyond = map(_versions.spelled, _versions.NUMBA)
    assert f'"numba>={first},<{beyond}"' in (ROOT / "pyproject.toml").read_text()
