"""A digest of all that kernels are compiled from.

A kernel that was compiled from other sources must never be loaded. Sources are files of Python,
wherever an importer has them; where it has only their code, that; where it shows neither, there is
no digest, and nothing is kept on disk.
"""

import hashlib
import marshal
import re
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import resources
from importlib.machinery import ModuleSpec
from types import CodeType
from typing import Any

import llvmlite
import numba

from numbanorm import __version__
from numbanorm._store import frozen

PACKAGE = "numbanorm"

# What makes functions into kernels; modules that import it are sources, wherever they are.
_DECORATORS = re.compile(rb"numbanorm\.kernels\.(?:compile\.options|threads\.drivers)\b")

_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]*))",
    re.MULTILINE,
)


@lru_cache(maxsize=1)
def source_digest() -> str | None:
    """Return a digest of every source, and of the versions that compile it; None if none is seen.

    Returns
    -------
    str or None
        16 hexadecimal digits, the same for the same sources, wherever they are.
    """
    contents = _contents()
    if not contents:
        return None
    digest = hashlib.sha256()
    for name, content in sorted(contents.items()):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    versions = __version__, numba.__version__, llvmlite.__version__, sys.version
    digest.update(" ".join(versions).encode())
    return digest.hexdigest()[:16]


def _contents() -> dict[str, bytes]:
    """Return what sources contain, by path or module."""
    if not frozen():
        try:
            files = dict(_files(resources.files(PACKAGE)))
        except Exception:  # An importer may fail in any way at what it can't do.
            files = {}
        if any(name.startswith("kernels/") and name.endswith(".py") for name in files):
            return compiled(files)
        compiled_only = {name: at for name, at in files.items() if name.endswith(".pyc")}
        if any(name.startswith("kernels/") for name in compiled_only):
            return {name: at.read_bytes() for name, at in compiled_only.items()}
    return _codes()


def _files(folder: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the modules below a folder of the package, by their paths in it."""
    for one in folder.iterdir():
        if one.name.endswith((".py", ".pyc")):
            yield above + one.name, one
        elif "." not in one.name and one.name != "__pycache__" and one.is_dir():
            yield from _files(one, f"{above}{one.name}/")


def compiled(files: dict[str, Any]) -> dict[str, bytes]:
    """Return the contents of those files of which kernels are made.

    These are all below `kernels`, others whose functions become kernels too, and what they import.

    Parameters
    ----------
    files : dict of str to Traversable
        The package's modules, by their paths in it.

    Returns
    -------
    dict of str to bytes
    """
    texts = {name: at.read_bytes() for name, at in files.items() if name.endswith(".py")}
    waiting = [
        name
        for name, text in texts.items()
        if name.startswith("kernels/") or _DECORATORS.search(text)
    ]
    found = {"__init__.py": texts["__init__.py"]}
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = texts[name]
            waiting += _imported(name, texts)
    return found


def _imported(name: str, texts: dict[str, bytes]) -> Iterator[str]:
    """Yield the files of the package that a file imports from."""
    for module, names, plain in _IMPORT.findall(texts[name]):
        parts = re.findall(r"\w+", re.sub(r"#.*", "", names.decode()))
        if not module:
            for one in re.findall(r"[\w.]+", plain.decode()):
                yield from _chain(one.split("."), texts)
        elif module.startswith(b"."):
            above = name.split("/")[: -len(module) + len(module.lstrip(b"."))]
            base = [PACKAGE, *above, *filter(None, module.decode().split("."))]
            yield from _from(base, parts, texts)
        else:
            yield from _from(module.decode().split("."), parts, texts)


def _from(base: list[str], names: Iterable[str], texts: dict[str, bytes]) -> Iterator[str]:
    """Yield the files of a module, and of those of its names that are modules."""
    yield from _chain(base, texts)
    for name in names:
        yield from _chain([*base, name], texts)


def _chain(path: list[str], texts: dict[str, bytes]) -> Iterator[str]:
    """Yield the files of a dotted name, with the packages on the way; the outermost is always in.

    What that one imports for its users is no part of kernels.
    """
    if path[0] != PACKAGE:
        return
    for end in range(2, len(path) + 1):
        stem = "/".join(path[1:end])
        yield from (file for file in (f"{stem}.py", f"{stem}/__init__.py") if file in texts)


def _codes() -> dict[str, bytes]:
    """Return the code of all modules that the package may import, as their loaders have it.

    Empty where a loader can't say: what is not seen may change unseen.
    """
    waiting = [PACKAGE, *(f"{PACKAGE}.{name}" for name in ("kernels", "jit", "cabi.compiling"))]
    specs: dict[str, ModuleSpec | None] = {}
    found: dict[str, bytes] = {}
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        spec = _spec(name, specs)
        if spec is None:
            continue  # The name of something in a module, or of a module that is not there.
        code = getattr(spec.loader, "get_code", lambda _: None)(name)
        if code is None:
            return {}
        found[name] = marshal.dumps(_placeless(code), 0)
        waiting += _named(code)
    return found if f"{PACKAGE}.kernels.compile.options" in found else {}


def _spec(name: str, specs: dict[str, ModuleSpec | None]) -> ModuleSpec | None:
    """Return where a module is, as `importlib.util.find_spec`, but import nothing."""
    if name in specs:
        return specs[name]
    path, above = None, name.rpartition(".")[0]
    specs[name] = None
    if above:
        parent = _spec(above, specs)
        path = parent and parent.submodule_search_locations
        if path is None:
            return None
    for finder in sys.meta_path:
        spec = getattr(finder, "find_spec", lambda *_: None)(name, path)
        if spec is not None:
            specs[name] = spec
            break
    return specs[name]


def _placeless(code: CodeType) -> CodeType:
    """Return code without the name of its file, which may be another at each start."""
    constants = tuple(_placeless(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.replace(co_filename="", co_consts=constants)


def _named(code: CodeType) -> Iterator[str]:
    """Yield the dotted names of the package that code may import."""
    for name in code.co_names:
        if name == PACKAGE or name.startswith(f"{PACKAGE}."):
            yield name
            for constant in code.co_consts:
                if isinstance(constant, tuple):
                    yield from (f"{name}.{one}" for one in constant if isinstance(one, str))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named(constant)
