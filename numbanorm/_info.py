"""What a bug report needs: versions, processor, threads, settings and the cache of kernels."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import numpy as np

import numbanorm
from numbanorm.prebuilt import library
from numbanorm.threads import caches, counts, processor, quota

FEATURES = ("avx2", "fma", "avx512f", "avx512vl", "asimd", "sve")

# Beginnings of the names of variables that change what is done here.
SETTINGS = ("NUMBA_", "NUMBANORM_", "NBN_", "OMP_", "GOMP_", "XDG_CACHE_HOME")


def cache() -> str:
    """Return the folders of compiled kernels, in the order they are tried, and what each has."""
    if library.loaded() is not None:
        return "none is needed"
    from numbanorm.kernels.compile.cache import folders

    found = "; ".join(f"{folder} ({_kernels(folder)})" for folder in folders())
    return found or "none: kernels are compiled at each start"


def _kernels(folder: Path) -> str:
    try:
        count = len(list(folder.glob("*.nbc")))
    except OSError:
        count = 0
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    access = "writeable" if os.access(nearest, os.W_OK) else "read-only"
    return f"{f'warm: {count} kernels' if count else 'cold'}, {access}"


def _cores() -> str:
    """Return how many processors there are, and how many this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limit = quota.processors()
    return f"{os.cpu_count()}, {allowed} allowed, container quota {limit or 'none'}"


def _number() -> str:
    """Return how many threads large arrays are worked on with, and what says so."""
    try:
        number, reason = counts.deciding()
    except ValueError as error:
        return str(error)
    return f"{number}, by {reason}"


def _streaming() -> str:
    """Return how large arrays are whose results are written past the caches, and what says so."""
    limits, reason = caches.deciding()
    shown = [f"{limits.alone / 2**20:.2g} MB by one thread"]
    try:
        count = counts.get()
    except ValueError:
        count = 1
    if count > 1:
        shown.append(f"{limits.of(count) / 2**20:.2g} MB by {count}")
    return f"results of arrays of together {', '.join(shown)} and more, by {reason}"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _kernels_in_use() -> str:
    """Return who compiles the kernels, and why."""
    try:
        return library.deciding()[1]
    except (ImportError, ValueError) as error:
        return str(error)


def _settings() -> str:
    found = (f"{name}={os.environ[name]}" for name in sorted(os.environ))
    return " ".join(one for one in found if one.startswith(SETTINGS)) or "none"


def report() -> str:
    """Return the report, a line for each fact."""
    import cffi

    facts = {
        "numbanorm": f"{numbanorm.__version__} in {Path(numbanorm.__file__).parent}",
        "python": f"{platform.python_version()} ({platform.python_implementation()}) "
        f"in {sys.prefix}",
        "platform": f"{platform.platform()} {' '.join(platform.libc_ver())}".strip(),
        "kernels": _kernels_in_use(),
        "numba": _version("numba"),
        "llvmlite": _version("llvmlite"),
        "numpy": np.__version__,
        "cffi": cffi.__version__,
        "processor": processor.model(),
        "features": " ".join(filter(processor.features().__contains__, FEATURES)) or "none of note",
        "cores": _cores(),
        "threading layer": "numbanorm's own",
        "threads": _number(),
        "past the caches": _streaming(),
        "settings": _settings(),
        "cache folder": cache(),
    }
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items())
