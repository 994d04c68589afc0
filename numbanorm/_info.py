"""What a bug report needs: versions, processor, threads and the cache of compiled kernels."""

from __future__ import annotations

import os
import platform
from importlib import metadata

import numpy as np

import numbanorm
from numbanorm import _threads

FEATURES = ("avx2", "fma", "avx512f", "avx512vl", "neon", "sve")


def report() -> str:
    """Return the report, a line for each fact."""
    import llvmlite
    import llvmlite.binding as llvm
    import numba

    from numbanorm.kernels.options import cache_folder

    host = llvm.get_host_cpu_features()
    folder = cache_folder()
    compiled = 0 if folder is None else len(list(folder.glob("*.nbc")))
    facts = {
        "numbanorm": numbanorm.__version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        "numpy": np.__version__,
        "cffi": metadata.version("cffi"),
        "processor": llvm.get_host_cpu_name(),
        "features": " ".join(name for name in FEATURES if host.get(name)) or "none of note",
        "cores": str(os.cpu_count()),
        "threading layer": "numbanorm's own",
        "threads": str(_threads.get_num_threads()),
        "cache folder": "none can be written to" if folder is None else str(folder),
        "cached kernels": f"{compiled} ({'warm' if compiled else 'cold'})",
    }
    width = max(map(len, facts))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts.items())
