"""How many threads work, and when it is safe and worth while to start them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numbanorm._status import RULES, Status

# The number set by the user; None is Numba's own default.
_chosen: int | None = None

# The threading layer, once its threads are started.
_layer: str | None = None

# How often idle threads look for work before they sleep: for about 0.3 ms. Sleeping at once costs
# 80 us a launch, to wake up. Not sleeping costs others the cores: libgomp's default is 10 ms, and
# that is what a launch then takes when other processes want them.
SPIN = "10000"
_WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}

# Numba's workqueue layer aborts the process when two threads launch at once.
_launching = threading.Lock()


# Whether C callers use this process's kernels too.
_serves_c = False


def set_num_threads(n: int) -> None:
    """Set how many threads large arrays are worked on with; see `numbanorm.set_num_threads`."""
    global _chosen
    _chosen = n
    if _serves_c:
        serve_c()


def serve_c() -> None:
    """Start the threads, and tell C callers, who can't ask, how many there are for them."""
    global _serves_c
    from numbanorm.kernels import launch

    # Two C threads would launch at once some day, and workqueue abort.
    launch.variables.threads = 1 if threading_layer() == "workqueue" else get_num_threads()
    _serves_c = True


def get_num_threads() -> int:
    """Return how many threads large arrays are worked on with."""
    if _chosen is not None:
        return _chosen
    import numba

    return int(numba.get_num_threads())


def threading_layer() -> str:
    """Start Numba's threads, if need be, and return the name of the layer they run in."""
    global _layer
    if _layer is None:
        import numba

        from numbanorm.kernels import launch, numba_threads

        with _brief_waiting():
            numba.get_num_threads()
            layer = str(numba.threading_layer())  # type: ignore[attr-defined]
        launch.variables.launcher = numba_threads.launcher()
        _layer = layer
    return _layer


@contextmanager
def _brief_waiting() -> Iterator[None]:
    """Let libgomp, which reads the environment when it is loaded, wait as `SPIN` says.

    A user's own setting stands.
    """
    if _WAITING & os.environ.keys():
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPIN
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def run(operation: Any, view: tuple[int, ...], args: tuple[Any, ...], workers: int) -> None:
    """Call a compiled operation with `workers` threads, or with one where that is safer.

    The results are the same. One it is where Numba's threads can't be used: in a process forked
    after they were started (but for tbb's), or while another thread launches (workqueue).
    """
    if workers > 1 and threading_layer() == "workqueue":
        if _launching.acquire(blocking=False):
            try:
                return _call(operation, view, args, workers)
            finally:
                _launching.release()
        workers = 1
    _call(operation, view, args, workers)


def _call(operation: Any, view: tuple[int, ...], args: tuple[Any, ...], workers: int) -> None:
    if operation.driver(view, args, workers):
        raise MemoryError(RULES[Status.MEMORY])


def _after_fork_in_child() -> None:
    """Work in one thread: the threads of a process are not in its children, but for tbb's."""
    global _launching
    _launching = threading.Lock()
    if _layer is not None and _layer != "tbb":
        from numbanorm.kernels import launch

        launch.variables.launcher = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
