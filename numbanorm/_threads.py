"""How many threads work, and the threads that do (see `numbanorm.kernels.pool`)."""

from __future__ import annotations

import ctypes
import os
import threading
from functools import lru_cache
from typing import Any

from numbanorm._quota import processors
from numbanorm._status import RULES, Status
from numbanorm._tiles import MAX_WORKERS

# The number set by the user; None is Numba's own, within what the container may use.
_chosen: int | None = None

# How many threads wait for work beside those that call.
_made = 0

# Held while threads are made.
_making = threading.Lock()

# Whether C callers use this process's kernels too.
_serves_c = False

# What `PyThread_start_new_thread` returns where the system gives no thread.
_NO_THREAD = ctypes.c_ulong(-1).value


def set_num_threads(n: int) -> None:
    """Set how many threads large arrays are worked on with; see `numbanorm.set_num_threads`."""
    global _chosen
    _chosen = n
    if _serves_c:
        serve_c()


def serve_c() -> None:
    """Make the threads, and tell C callers, who can't ask, how many there are for them."""
    global _serves_c
    from numbanorm.kernels import launch

    make(get_num_threads() - 1)
    launch.variables.threads = get_num_threads()
    _serves_c = True


def get_num_threads() -> int:
    """Return how many threads large arrays are worked on with."""
    return default() if _chosen is None else _chosen


def default() -> int:
    """Return how many threads Numba would use, within what the container may.

    NUMBA_NUM_THREADS says it; without, it is the number of processors that the process may run on.
    A call of `numba.set_num_threads` holds for the Python thread that made it.
    """
    from numba.core import config
    from numba.np.ufunc import parallel

    module: Any = parallel
    threads = getattr(config, "NUMBA_NUM_THREADS", 1)
    # Asking Numba starts its threads, which whoever called numba.set_num_threads has done.
    if getattr(module, "_is_initialized", True):
        threads = module.get_num_threads()
    if "NUMBA_NUM_THREADS" in os.environ:
        return int(threads)
    return min(int(threads), _allowed() or MAX_WORKERS)


@lru_cache(maxsize=1)
def _allowed() -> int | None:
    return processors()


def make(count: int) -> None:
    """See to it that at least `count` threads wait for work, or as many as the system gives."""
    global _made
    with _making:
        if _made >= count:
            return
        from numbanorm.kernels import launch, pool

        allocate = ctypes.pythonapi.PyThread_allocate_lock
        start = ctypes.pythonapi.PyThread_start_new_thread
        allocate.restype, allocate.argtypes = ctypes.c_void_p, []
        start.restype, start.argtypes = ctypes.c_ulong, [ctypes.c_void_p, ctypes.c_void_p]
        server = pool.server()
        if not pool.words[pool.DONE]:
            pool.words[pool.DONE] = _taken(allocate)
            pool.words[pool.LOOKS] = pool.looks_for(pool.PATIENCE)
        for number in range(_made, min(count, MAX_WORKERS - 1)):
            if not pool.words[pool.LOCKS + number]:
                pool.words[pool.LOCKS + number] = _taken(allocate)
            if start(server, number) == _NO_THREAD:
                break
            pool.words[pool.MADE] = number + 1
        # Where the system gave no thread it is not asked again at each call.
        _made = count
        launch.variables.launcher = pool.launcher()


def _taken(allocate: Any) -> int:
    """Return the address of a new lock that is taken already: who waits for it sleeps."""
    lock = allocate()
    if lock is None:
        raise MemoryError(RULES[Status.MEMORY])
    take = ctypes.pythonapi.PyThread_acquire_lock
    take.argtypes = [ctypes.c_void_p, ctypes.c_int]
    take(lock, 0)
    return int(lock)


def run(operation: Any, view: tuple[int, ...], args: tuple[Any, ...], workers: int) -> None:
    """Call a compiled operation with up to `workers` threads; the results are the same for any."""
    if workers - 1 > _made:
        make(workers - 1)
    if operation.driver(view, args, workers):
        raise MemoryError(RULES[Status.MEMORY])


def _after_fork_in_child() -> None:
    """Forget the threads, which are not in a child; it makes its own for the next large array."""
    global _made, _making
    _making = threading.Lock()
    if _made:
        from numbanorm.kernels import pool

        _made = 0
        ctypes.memset(pool.words, 0, ctypes.sizeof(pool.words))
        if _serves_c:
            # C callers do not pass here.
            serve_c()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
