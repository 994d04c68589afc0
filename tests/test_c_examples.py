"""The examples in capi/ build and run as its README says, without errors that tools can find."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from importlib import machinery, util
from pathlib import Path

import numpy as np
import pytest

import numbanorm as nbn
from numbanorm.cabi import building, declarations

CAPI = Path(__file__).parents[1] / "capi"
IMAGE_BATCH = CAPI / "examples" / "image_batch.c"
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]

PASSES = ["training", "inference", "backward"]

BATCHES = [
    (1, 1, 2, 3),  # two values per channel, the fewest
    (3, 7, 5, 13),  # primes: tails of all kinds, one thread
    (8, 40, 81, 41),  # over 4 MiB: several threads, results written past the caches
]


def run(*command, **options):
    """Return what a command prints; it must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def need_cpp():
    need("cmake")
    if not any(map(shutil.which, [os.environ.get("CXX", "c++"), "g++", "clang++"])):
        pytest.skip("no C++ compiler is installed")


def need_python_header():
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        pytest.skip("Python's headers are not installed")


def built(prefix, program, *flags, rpath=None):
    """Compile image_batch.c; return the program."""
    library = f"-L{prefix}/lib", f"-Wl,-rpath,{rpath or prefix / 'lib'}", "-lnumbanorm", "-lm"
    include = f"-I{prefix}/include"
    run(*building.compiler(), *STRICT, *flags, include, IMAGE_BATCH, *library, "-o", program)
    return program


def sanitizer_options(flag, folder):
    """Return the environment for sanitized programs; skip where they can't be made."""
    source, program = folder / "empty.c", folder / "empty"
    source.write_text("int main(void) { return 0; }\n")
    linked = [*building.compiler(), flag, source, "-o", program]
    if subprocess.run(linked, capture_output=True, check=False).returncode:
        pytest.skip(f"the compiler can't link with {flag}")
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "OMP_NUM_THREADS": "2"}
    # The leak checker traces its own process, which not every container allows.
    if subprocess.run([program], env=environment, capture_output=True, check=False).returncode:
        environment["ASAN_OPTIONS"] = "detect_leaks=0"
    return environment


@pytest.mark.parametrize("instruction_set", building.targets())
def test_image_batch(prefix, tmp_path, instruction_set):
    program = built(prefix, tmp_path / "image_batch", "-O2")
    for batch in BATCHES:
        for threads in ("1", "2", "5"):
            environment = {"OMP_NUM_THREADS": threads, "NBN_INSTRUCTION_SET": instruction_set}
            printed = run(program, *batch, env=environment)
            assert re.findall("^[a-z]+", printed, re.MULTILINE) == PASSES
            assert f"{threads} threads" in printed


def test_image_batch_fails(prefix, tmp_path):
    """One value per channel is the library's to refuse, sizes that make no sense the example's."""
    program = built(prefix, tmp_path / "image_batch", "-O2")
    for sizes, message in [
        ("1 1 1 3", "training: x must have more than 1 value"),
        ("1 2 3", "usage"),
        ("1 2 3 0", "usage"),
        ("1 2 3 x", "usage"),
        ("1000000 1000000 1000000 1000000", "usage"),
    ]:
        words = [program, *sizes.split()]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr.startswith(message)


def test_sanitizers(prefix, tmp_path):
    flag = "-fsanitize=address,undefined"
    environment = sanitizer_options(flag, tmp_path)
    flags = "-g", "-O1", flag, "-fno-sanitize-recover=all"
    program = built(prefix, tmp_path / "image_batch", *flags)
    for batch in BATCHES:
        run(program, *batch, env=environment)


@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_valgrind(prefix, tmp_path, batch):
    """Memcheck sees the library's own reads and writes too.

    Threads that OpenMP keeps until the process ends are no leak: only what is definitely lost is.
    """
    need("valgrind")
    program = built(prefix, tmp_path / "image_batch", "-g", "-O1")
    leaks = "--leak-check=full", "--errors-for-leak-kinds=definite"
    run(
        "valgrind",
        "--error-exitcode=9",
        *leaks,
        program,
        *batch,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )


def commands(containing):
    """Return the README's block of commands that has a text in it."""
    blocks = re.findall(r"```sh\n(.*?)```", (CAPI / "README.md").read_text("utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if containing in block]
    return found


# How the README builds an example: a text in the commands, what they print, and what they need.
BUILDS = {
    "by hand": ("-lnumbanorm -lm", "backward", lambda: None),
    "pkg-config": ("pkg-config --cflags", "backward", lambda: need("pkg-config")),
    "cmake": ("cmake -S", "refused: eps must be finite and not negative", need_cpp),
    "cffi": ("from_python.py", "the package's results are the same bits", lambda: None),
    "extension": ("standardize.c", "[1. 1. 1.]", need_python_header),
}


@pytest.mark.parametrize("containing, printed, check", BUILDS.values(), ids=BUILDS)
def test_readme(prefix, tmp_path, containing, printed, check):
    check()
    folder = shutil.copytree(CAPI, tmp_path / "capi")
    compiler, python = map(shlex.join, (building.compiler(), [sys.executable]))
    tools = f'cc() {{ command {compiler} "$@"; }}\npython() {{ command {python} "$@"; }}\n'
    script = "set -e\n" + tools + commands(containing)
    environment = {**os.environ, "PREFIX": str(prefix)}
    assert printed in run("sh", "-c", script, cwd=folder, env=environment)


def test_cmake_strict(prefix, tmp_path):
    """No warnings; a prefix that was moved is found, without anything from the environment."""
    need_cpp()
    moved = shutil.copytree(prefix, tmp_path / "moved here", symlinks=True)
    flags = "-DCMAKE_CXX_FLAGS=-pedantic -Wall -Wextra -Werror", f"-DCMAKE_PREFIX_PATH={moved}"
    run("cmake", "-S", CAPI / "examples" / "cpp", "-B", tmp_path / "build", *flags)
    run("cmake", "--build", tmp_path / "build")
    assert "layer norm" in run(tmp_path / "build" / "rows", env={})


def test_moved(prefix, tmp_path):
    """Nothing installed knows where it is; a program beside it finds it after a move."""
    for path in prefix.rglob("*"):
        assert path.is_dir() or os.fsencode(prefix) not in path.read_bytes(), path
    folder = shutil.copytree(prefix, tmp_path / "built", symlinks=True)
    (folder / "bin").mkdir()
    built(folder, folder / "bin" / "image_batch", rpath="$ORIGIN/../lib")
    moved = folder.rename(tmp_path / "moved here")
    assert "backward" in run(moved / "bin" / "image_batch", *BATCHES[-1], env={})


def test_dependencies(prefix):
    """Libc, libm, threads, the loader and an OpenMP runtime: no Python, no Numba, no LLVM."""
    need("ldd")
    allowed = r"linux-vdso|linux-gate|ld-|/.*/ld-|libc\.|libm\.|libpthread|libdl|lib(g|i)?omp"
    found = run("ldd", prefix / "lib" / building.SONAME).split("\n")
    assert [line for line in found if line and not re.match(rf"\t({allowed})", line)] == []


def test_symbols(prefix):
    """What the header declares is defined, and nothing else; nothing of Python's is wanted."""
    need("nm")
    printed = run("nm", "-D", prefix / "lib" / building.SONAME)
    symbols = [line.split()[-2:] for line in printed.splitlines()]
    declared = declarations.functions() + declarations.library_functions()
    assert {name for kind, name in symbols if kind not in "Uw"} == {one.name for one in declared}
    strangers = re.compile("_*py|numba|_*nrt|llvm", re.IGNORECASE)
    assert [name for kind, name in symbols if kind in "Uw" and strangers.match(name)] == []


@pytest.fixture(scope="module")
def standardize(prefix, tmp_path_factory):
    """The function of the extension module, which takes no more than the header from the prefix."""
    need_python_header()
    source = CAPI / "extension" / "standardize.c"
    path = tmp_path_factory.mktemp("extension") / "standardize.abi3.so"
    flags = "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"
    include = f"-I{prefix}/include", f"-I{sysconfig.get_path('include')}"
    run(*building.compiler(), *flags, *include, source, "-o", path)
    loader = machinery.ExtensionFileLoader("standardize", str(path))
    module = util.module_from_spec(util.spec_from_file_location("standardize", path, loader=loader))
    loader.exec_module(module)
    return module.standardize


def images(seed, dtype):
    """Return images and what they are when normalised."""
    x = np.random.default_rng(seed).normal(3, 2, (8, 50, 50, 33)).astype(dtype)
    return x, nbn.batch_norm(x, training=True, layout="NHWC")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extension(standardize, dtype):
    x, wanted = images(0, dtype)
    assert standardize(x) is None
    assert np.array_equal(x, wanted)


def test_extension_threads(standardize):
    """Several threads call at once; each gets its own images' results."""
    arrays = [images(seed, np.float32) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(standardize, [x for x, _ in arrays]))
    assert all(np.array_equal(x, wanted) for x, wanted in arrays)


@pytest.mark.parametrize(
    "change, eps, error, message",
    [
        (lambda x: x, -1.0, ValueError, "eps must be finite and not negative"),
        (lambda x: x[:1, :1, :1].copy(), 1e-5, ValueError, "x must have more than 1 value"),
        (lambda x: x[0], 1e-5, ValueError, r"x must have shape \(n, h, w, c\), got 3 axes"),
        (lambda x: x[..., ::2], 1e-5, ValueError, "not C-contiguous"),
        (lambda x: x.astype(np.int32), 1e-5, TypeError, "x must be float32 or float64, got"),
        (lambda x: memoryview(x).toreadonly(), 1e-5, BufferError, "read-only|not writable"),
        (lambda x: 3.0, 1e-5, TypeError, "bytes-like"),
    ],
)
def test_extension_errors(standardize, change, eps, error, message):
    x, _ = images(0, np.float32)
    before = x.copy()
    with pytest.raises(error, match=message):
        standardize(change(x), eps)
    assert np.array_equal(x, before)
