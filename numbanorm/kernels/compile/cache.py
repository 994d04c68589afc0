"""The disk cache of compiled kernels.

Numba's own cache does not notice a change in a callee's file, and two processes writing its index
at once can pair a signature with another's code. This one has no index: one file per driver and
signature, named by a digest of all that the code depends on, put in place by one rename.

Kernels are read from any of several folders, so that those which an administrator compiled serve
users who may not write there.
"""

import hashlib
import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any

from numba import config
from numba.core import compiler
from numba.core.caching import _Cache
from numba.core.runtime.nrt import rtsys
from numba.core.serialize import dumps

from numbanorm import _store
from numbanorm.kernels.compile.sources import source_digest

# What Numba lets its environment variables change in compiled code, besides the processor.
_SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT", "BOUNDSCHECK")


@lru_cache(maxsize=1)
def folders() -> list[Path]:
    """Return the folders in which kernels are looked for, and of which one is written to.

    None where nothing tells whether kernels are those of the sources that are there now.
    """
    digest = source_digest()
    return [folder / f"numbanorm-{digest}" for folder in _store.candidates()] if digest else []


def file_name(name: str, signature: Any, codegen: Any) -> str:
    """Return the name of the file of compiled code."""
    settings = [getattr(config, setting, None) for setting in _SETTINGS]
    key = f"{signature} {codegen.magic_tuple()} {settings}".encode()
    return f"{name}-{hashlib.sha256(key).hexdigest()[:24]}.nbc"


class KernelCache(_Cache):
    """The disk cache of one driver: a file per signature, CPU and source digest."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._enabled = True

    @property
    def cache_path(self) -> str:
        return str(next(iter(folders()), ""))

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        name = file_name(self._name, sig, target_context.codegen())
        payload = _store.read(folders(), name) if self._enabled else None
        if payload is None:
            return None
        # What compiled code calls; Numba would load all that its compiler knows too, for 0.3 s.
        rtsys.initialize(target_context)
        return compiler.CompileResult._rebuild(target_context, *pickle.loads(payload))

    def save_overload(self, sig: Any, data: Any) -> None:
        if self._enabled:
            _store.write(folders(), file_name(self._name, sig, data.codegen), dumps(data._reduce()))

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def flush(self) -> None:
        """Keep the files: they are named by content and never go stale."""
