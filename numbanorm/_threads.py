"""How many threads work, and the threads that do (see `numbanorm.kernels.pool`)."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from typing import Any

from numbanorm._quota import processors
from numbanorm._status import RULES, Status
from numbanorm._tiles import MAX_WORKERS

# The number set by the user; None is Numba's own, within what the container may use.
_chosen: int | None = None

# How many threads wait for work beside those that call.
_made = 0

# The threads, to be waited for when they end.
_threads: list[ctypes.c_void_p] = []

# Held while kernels are imported.
importing = threading.RLock()

# Whether C callers use this process's kernels too.
_serves_c = False

# Where processes fork, and threads must have ended then.
_POSIX = hasattr(os, "register_at_fork")

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
    return min(int(threads), processors() or MAX_WORKERS)


def make(count: int) -> None:
    """See to it that at least `count` threads wait for work, or as many as the system gives."""
    global _made
    from numba.core.compiler_lock import global_compiler_lock

    # Numba's lock is held while it compiles the threads' code: a lock of our own beside it could be
    # taken in another order elsewhere.
    with global_compiler_lock:
        if _made >= count:
            return
        from numbanorm.kernels import launch, pool

        launcher, server = pool.launcher(), pool.server()
        if not pool.words[pool.DONE]:
            pool.words[pool.DONE] = _lock()
            pool.words[pool.LOOKS] = pool.looks_for(pool.PATIENCE)
        for number in range(_made, min(count, MAX_WORKERS - 1)):
            if not pool.words[pool.LOCKS + number]:
                pool.words[pool.LOCKS + number] = _lock()
            if not _start(server, number):
                break
            pool.words[pool.MADE] = number + 1
        # Where the system gave no thread it is not asked again at each call.
        _made = count
        launch.variables.launcher = launcher


def _lock() -> int:
    """Return the address of a new lock that is taken already: who waits for it sleeps."""
    allocate, take = ctypes.pythonapi.PyThread_allocate_lock, ctypes.pythonapi.PyThread_acquire_lock
    allocate.restype, allocate.argtypes = ctypes.c_void_p, []
    take.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lock = allocate()
    if lock is None:
        raise MemoryError(RULES[Status.MEMORY])
    take(lock, 0)
    return int(lock)


def _start(server: int, number: int) -> bool:
    """Start a thread that calls the server, where the system gives one."""
    if _POSIX:
        thread = ctypes.c_void_p()
        given = [ctypes.byref(thread), None, ctypes.c_void_p(server), ctypes.c_void_p(number)]
        if ctypes.CDLL(None).pthread_create(*given) != 0:
            return False
        _threads.append(thread)
        return True
    start = ctypes.pythonapi.PyThread_start_new_thread
    start.restype, start.argtypes = ctypes.c_ulong, [ctypes.c_void_p, ctypes.c_void_p]
    return bool(start(server, number) != _NO_THREAD)


def run(operation: Any, view: tuple[int, ...], args: tuple[Any, ...], workers: int) -> None:
    """Call a compiled operation with up to `workers` threads; the results are the same for any."""
    if workers - 1 > _made:
        make(workers - 1)
    if operation.driver(view, args, workers):
        raise MemoryError(RULES[Status.MEMORY])


def _before_fork() -> None:
    """Let compilers finish and end the threads: a child would have neither, but their locks."""
    importing.acquire()
    lock = sys.modules.get("numba.core.compiler_lock")
    if lock is not None:
        lock.global_compiler_lock.acquire()
    if _made:
        from numbanorm.kernels import pool

        ctypes.CFUNCTYPE(None)(pool.stopper())()
        while _threads:
            ctypes.CDLL(None).pthread_join(_threads.pop(), None)


def _after_fork() -> None:
    """Let the next large array make threads; C callers, who do not pass there, need them now."""
    global _made
    if _made:
        from numbanorm.kernels import pool

        for word in (pool.STOP, pool.MADE, pool.HELD):
            pool.words[word] = 0
        _made = 0
    lock = sys.modules.get("numba.core.compiler_lock")
    if lock is not None:
        lock.global_compiler_lock.release()
    importing.release()
    if _serves_c:
        serve_c()


if _POSIX:
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )
