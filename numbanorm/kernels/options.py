"""Every Numba option used here, with its reason, and the disk cache of compiled kernels.

Two kinds of function are compiled:

`leaf`
    A serial loop over raw pointers. It raises nothing and is compiled into whatever calls it, so it
    has no cache entry of its own.
`operation`, `serial`
    What Python calls, through a driver that is cached on disk.

Numba's own cache does not notice a change in a callee's file, and two processes writing its index
at once can pair a signature with another's code. `KernelCache` has no index: one file per driver
and signature, named by a digest of all that the code depends on, put in place by one rename.
"""

import contextlib
import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba import config
from numba.core import compiler, sigutils, types
from numba.core.caching import _Cache
from numba.core.ccallback import CFunc
from numba.core.serialize import dumps
from numba.extending import register_jitable

from numbanorm.kernels.leaves import LeafCompiler

# error_model="numpy": a division by zero gives inf, and no leaf can raise. No fastmath: it folds
# isnan to False and would reorder the sums whose order is promised. nogil: other Python threads
# run meanwhile.
BASE: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": False,
    "boundscheck": False,
}


def leaf(function: Callable[..., Any]) -> Any:
    """Compile a serial loop over pointers, to be called by other compiled code only."""
    return _for_any_value(numba.njit(pipeline_class=LeafCompiler, **BASE)(function))


def inlined(function: Callable[..., Any]) -> Any:
    """Compile like `leaf`, and always inline: for a few instructions that stand in hot loops."""
    compiled = numba.njit(forceinline=True, pipeline_class=LeafCompiler, **BASE)(function)
    return _for_any_value(compiled)


def _for_any_value(dispatcher: Any) -> Any:
    """Make a leaf be typed once for all values of an argument, constants too.

    Numba types a function anew for every True and every 1 that it is called with; LLVM finds what
    there is to gain by itself. This halves the time to compile all C functions.
    """
    template = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: template(tuple(map(plain, args)), kws)
    return dispatcher


def plain(kind: Any) -> Any:
    """Return a Numba type without the values it may hold."""
    if isinstance(kind, types.BaseTuple):
        parts: Any = kind
        return types.BaseTuple.from_types([plain(part) for part in parts])
    return types.unliteral(kind)


def shared(function: Callable[..., Any]) -> Any:
    """Let compiled code call a plain Python function, inlined; Python goes on calling it too."""
    return register_jitable(forceinline=True, pipeline_class=LeafCompiler, **BASE)(function)


def serial(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, to run in the calling thread."""
    return _cached(numba.njit(**BASE)(function), function.__name__)


def operation(function: Callable[..., Any]) -> Any:
    """Compile ``function(view, args, workers)``, a leaf that returns a status, for all callers.

    `view` and `args` are flat tuples. Compiled code calls the result as a leaf, Python calls its
    `driver`.
    """
    inner = leaf(function)

    def driver(view, args, workers):  # type: ignore[no-untyped-def]
        return inner(view, args, workers)

    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    inner.driver = _cached(numba.njit(**BASE)(driver), name)
    return inner


def callback(signature: Any, function: Callable[..., Any], name: str) -> Any:
    """Compile a function that C calls, cached like a driver."""
    compiled: Any = CFunc(function, sigutils.normalize_signature(signature), {}, dict(BASE))
    compiled._cache = KernelCache(name)
    compiled.compile()
    return compiled


def _cached(dispatcher: Any, name: str) -> Any:
    dispatcher._cache = KernelCache(name)
    return dispatcher


@lru_cache(maxsize=1)
def source_digest() -> str:
    """Return a digest of every kernel source, and of the versions that compile it."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    beside = [folder.parent / f"{name}.py" for name in ("_tiles", "_plan", "_status")]
    for path in [*sorted(folder.glob("*.py")), *beside]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(f"{numba.__version__} {llvmlite.__version__} {sys.version}".encode())
    return digest.hexdigest()[:16]


def _setting() -> str:
    return str(getattr(config, "CACHE_DIR", ""))


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Return the folder of compiled kernels, or None where no candidate can be written to.

    `NUMBA_CACHE_DIR` if set, else `__pycache__` beside this file, else the user's cache folder.
    """
    name = f"numbanorm-{source_digest()}"
    if _setting():
        candidates = [Path(_setting()) / name]
    else:
        user = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        candidates = [Path(__file__).parent / "__pycache__" / name, Path(user) / name]
    return next((folder for folder in candidates if _writable(folder)), None)


def cache_file(name: str, signature: Any, codegen: Any) -> Path | None:
    """Return the file of compiled code, or None where there is no folder for it."""
    folder = cache_folder()
    if folder is None:
        return None
    key = f"{signature} {codegen.magic_tuple()}".encode()
    return folder / f"{name}-{hashlib.sha256(key).hexdigest()[:24]}.nbc"


def read_cache(path: Path | None) -> bytes | None:
    """Return what a file holds, or None if it is not whole or not there."""
    try:
        content = b"" if path is None else path.read_bytes()
    except OSError:
        return None
    digest, payload = content[:32], content[32:]
    if not payload or hashlib.sha256(payload).digest() != digest:
        return None
    return payload


def write_cache(path: Path, payload: bytes) -> None:
    """Put a file in place, by one rename."""
    # A full disk or a folder that vanished costs a compile next time, never an error now.
    with contextlib.suppress(OSError):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(payload).digest() + payload)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise


class KernelCache(_Cache):
    """The disk cache of one driver: a file per signature, CPU and source digest."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._enabled = True

    @property
    def cache_path(self) -> str | None:
        folder = cache_folder()
        return None if folder is None else str(folder)

    def _file(self, signature: Any, codegen: Any) -> Path | None:
        return cache_file(self._name, signature, codegen) if self._enabled else None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        payload = read_cache(self._file(sig, target_context.codegen()))
        if payload is None:
            return None
        return compiler.CompileResult._rebuild(target_context, *pickle.loads(payload))

    def save_overload(self, sig: Any, data: Any) -> None:
        path = self._file(sig, data.codegen)
        if path is not None:
            write_cache(path, dumps(data._reduce()))

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        """Keep the files: they are named by content and never go stale."""
