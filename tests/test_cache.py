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
from numbanorm.calls import finishing
for dtype in sys.argv[1:]:
    mean, var = np.zeros(2, dtype), np.ones(2, dtype)
    count = np.zeros((), np.int64)
    finishing.update_running(mean, var, count, np.array([1.0, 2]), np.array([3.0, 4]), 4, 0.5)
    assert mean.tolist() == [0.5, 1] and count == 1, (dtype, mean)
    np.testing.assert_allclose(var, [2.5, 0.5 + 2 * 4 / 3], rtol=1e-6)
    found, rstd = finishing.statistics(mean, var, 0.0)
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
from numbanorm._store import read, write
from numbanorm.kernels.compile.cache import folders
for turn in range(100):
    for number in range(20):
        wanted = f"{number} ".encode() * 20_000
        found = read(folders(), f"file-{number}")
        assert found in (None, wanted), (number, len(found))
        write(folders(), f"file-{number}", wanted)
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


@pytest.mark.parametrize(
    "file", ["kernels/operations/finishing.py", "plan/tiles.py", "__init__.py"]
)
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


DIGEST = "from numbanorm.kernels.compile import sources; print(sources.source_digest())"


def digest(site, code=DIGEST):
    return run(code, cwd=site, environment={"PYTHONPATH": str(site)}).strip()


# A file, and what is added to it.
SOURCES = {
    "a kernel": {"kernels/simd/vec.py": "# Changed."},
    "a folder of kernels": {"kernels/new/deep.py": "SIZE = 1"},
    "what kernels import": {"plan/routes.py": "# Changed."},
    "what that imports": {"plan/tuning.py": "# Changed."},
    "what functions for Numba import": {"_status.py": "# Changed."},
    "functions for Numba, beside kernels": {"jit/norms.py": "# Changed."},
    "a new import": {"kernels/simd/vec.py": "from numbanorm import cli"},
    "by lines": {"plan/view.py": "from numbanorm.calls import (  # all\n    given,\n    order,\n)"},
    "a relative import": {"kernels/simd/vec.py": "if 1:\n    from ...calls import order as other"},
    "by its dots": {"kernels/simd/vec.py": "import os, numbanorm.calls.order as other"},
    "of a module's name": {"kernels/simd/vec.py": "from numbanorm.calls.order import typing"},
}


@pytest.mark.parametrize("changes", SOURCES.values(), ids=SOURCES)
def test_all_that_is_compiled_is_a_source(copied, changes):
    before, package = digest(copied), copied / "numbanorm"
    for file, text in changes.items():
        path = package / file
        path.parent.mkdir(exist_ok=True)
        path.write_text((path.read_text() if path.exists() else "") + f"\n{text}\n")
    after = digest(copied)
    assert after != before
    for name, imported in ("order", "calls/order.py"), ("cli", "cli.py"):
        if name in str(changes):
            path = package / imported
            path.write_text(path.read_text() + "# Changed.\n")
            assert digest(copied) != after


@pytest.mark.parametrize(
    "file", ["cli.py", "calls/order.py", "plan/plan.py", "layers/base.py", "functional/batch.py"]
)
def test_what_is_not_compiled_is_no_source(copied, file):
    """Or whoever works on it would wait for kernels that are the same."""
    before, path = digest(copied), copied / "numbanorm" / file
    path.write_text(path.read_text() + "# Changed.\n")
    assert digest(copied) == before


# An importer that can't list, which shows code or does not, as some programs in one file have.
IMPORTER = """
import importlib.util, os, sys
from pathlib import Path

class Loader:
    def __init__(self, path):
        self.path = path
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(self.code(), module.__dict__)
    def code(self):
        return compile(self.path.read_text(), f"/at-{os.getpid()}/{self.path.name}", "exec")

class Finder:
    def find_spec(self, name, path=None, target=None):
        at = Path(os.environ["HIDDEN"], *name.split("."))
        if (at / "__init__.py").exists():
            loader = Loader(at / "__init__.py")
            return importlib.util.spec_from_loader(name, loader, is_package=True)
        if at.with_suffix(".py").exists():
            return importlib.util.spec_from_loader(name, Loader(at.with_suffix(".py")))

if os.environ["SHOWN"]:
    Loader.get_code = lambda self, name: self.code()
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize("shown", ["1", ""])
def test_an_importer_that_lists_nothing(copied, tmp_path, shown):
    """What can't be told from other kernels' sources is not kept; what can is loaded."""
    cache = tmp_path / "cache"
    environment = in_cache(cache, HIDDEN=str(copied), SHOWN=shown)
    code = IMPORTER + "import numbanorm; assert not hasattr(numbanorm, '__file__')\n" + SMALL
    run(code, "float32", cwd=tmp_path, **environment)
    first = kernels(cache)
    assert bool(first) == bool(shown)
    run(code, "float32", cwd=tmp_path, **environment)
    assert kernels(cache) == first
    path = copied / "numbanorm" / "plan" / "tiles.py"
    path.write_text(path.read_text() + "\nCHANGED = 1\n")
    run(code, "float32", cwd=tmp_path, **environment)
    assert len(kernels(cache)) == 2 * len(first)


# An environment of Python's own, and a user's home, to be set aside for a test.
PREFIX = """
import os, sys
sys.prefix = os.environ["PREFIX"]
"""


def at_home(tmp_path, site, **more):
    """Return an environment of a user at home who sets no folder for caches."""
    found = {"NUMBA_CACHE_DIR": None, "XDG_CACHE_HOME": None, "HOME": str(tmp_path / "home")}
    found |= {"PREFIX": str(tmp_path / "prefix"), "PYTHONPATH": str(site), **more}
    return {"environment": found, "cwd": tmp_path}


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
    environment = at_home(tmp_path, package)
    code = "import numbanorm; assert 'site' in numbanorm.__file__ or 'zip' in numbanorm.__file__\n"
    run(PREFIX + code + SMALL, "float32", **environment)
    first = kernels(tmp_path)
    assert first
    run(PREFIX + code + SMALL, "float32", **environment)
    assert kernels(tmp_path) == first


def test_nothing_is_written_where_python_imports_from(copied, tmp_path):
    """Left behind by pip, it would be taken for the package."""
    package = copied / "numbanorm"
    environment = at_home(tmp_path, copied, PYTHONDONTWRITEBYTECODE="1")
    before = sorted(package.rglob("*"))
    run(PREFIX + SMALL, "float32", **environment)
    assert sorted(package.rglob("*")) == before
    assert kernels(tmp_path / "prefix" / "var" / "cache" / "numbanorm")
    assert not kernels(tmp_path / "home")


def test_a_frozen_program_keeps_kernels_at_the_user(copied, tmp_path):
    """What else it calls its own may be gone when it ends, and its modules are no files."""
    environment = at_home(tmp_path, copied)
    code = "import sys; sys.frozen = True\n" + PREFIX + SMALL
    run(code, "float32", **environment)
    first = kernels(tmp_path / "home" / ".cache" / "numbanorm")
    assert first and kernels(tmp_path) == first
    run(code, "float32", **environment)
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
def read_only(copied, tmp_path):
    """Make the copy of the package, or another folder, a read-only one."""

    def make(top=copied):
        for folder, _, _ in os.walk(top, topdown=False):
            os.chmod(folder, 0o555)

    yield make
    for folder, _, _ in os.walk(tmp_path):
        os.chmod(folder, 0o755)


@on_linux
@pytest.mark.parametrize("home", [None, "/nonexistent", "/proc"])
def test_a_user_with_no_place_to_write_to(copied, read_only, tmp_path, home):
    """Kernels are compiled at each start; nothing is written, in the folder it runs in least."""
    read_only()
    (tmp_path / "prefix").mkdir(mode=0o555)
    environment = at_home(tmp_path, copied, HOME=home)
    before = sorted(tmp_path.rglob("*"))
    run(UNPRIVILEGED + PREFIX + SMALL, "float32", **environment)
    assert sorted(tmp_path.rglob("*")) == before


@on_linux
def test_kernels_of_an_administrator_serve_all(copied, read_only, tmp_path):
    """Compiled in an environment that its users can only read: they compile nothing."""
    home, prefix = tmp_path / "home", tmp_path / "prefix"
    home.mkdir()
    environment = at_home(tmp_path, copied)
    run("import os; os.umask(0o022)\n" + PREFIX + SMALL, "float32", **environment)
    first = kernels(prefix)
    assert first and all(path.stat().st_mode & 0o777 == 0o644 for path in first)
    read_only(prefix)
    run(UNPRIVILEGED + PREFIX + SMALL, "float32", **environment)
    assert kernels(tmp_path) == first
    # What is not there yet goes to the user's own folder.
    run(UNPRIVILEGED + PREFIX + SMALL, "float64", **environment)
    assert kernels(home) and kernels(prefix) == first


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


def test_the_range_of_numba_is_that_of_the_package():
    first, beyond = map(_versions.spelled, _versions.NUMBA)
    assert f'"numba>={first},<{beyond}"' in (ROOT / "pyproject.toml").read_text()
