"""Compiling whatever `NUMBA_DISABLE_JIT` says: it is for users' functions, and ours are no Python.

Coverage tools and debuggers set it, so that what Numba decorates stays as it was written. Numba
asks where it decorates, which `numbanorm.kernels.compile.options` goes around, and again where it
compiles a call of something that it knows an implementation for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import config as numba_config
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

# Its names are made when it is imported.
config: Any = numba_config


@contextmanager
def compiling() -> Iterator[None]:
    """Let Numba compile, once nobody else does; a fork waits for it, and sees the user's setting.

    A function that another thread decorates meanwhile is compiled, as it is without the setting.
    """
    with global_compiler_lock:
        # Numba reads the environment again when it begins to compile.
        config.reload_config()
        before = config.DISABLE_JIT
        if not before:
            yield
            return
        config.DISABLE_JIT = 0
        try:
            yield
        finally:
            config.DISABLE_JIT = before


class Driver(CPUDispatcher):
    """A function that Python calls, compiled always."""

    def compile(self, sig: Any) -> Any:
        """Compile for a signature, or load that."""
        with compiling():
            return super().compile(sig)
