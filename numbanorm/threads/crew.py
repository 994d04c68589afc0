"""The threads' own functions, compiled: set up, ended, let go on, or handed to other threads."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import NamedTuple

from numbanorm.plan.tuning import PATIENCE
from numbanorm.prebuilt import library
from numbanorm.threads.counts import importing
from numbanorm.threads.shared import LAUNCHER, LOOKS, POOL, SERVER, words


class Crew(NamedTuple):
    """What ends the threads, and what lets them be made anew."""

    stop: Callable[[], None]
    resume: Callable[[], None]


def held() -> AbstractContextManager[object]:
    """Return the lock that is held while these functions are got: who forks waits for it."""
    if library.loaded() is not None:
        return importing
    # Numba's lock is held while it compiles them: a lock of our own beside it could be taken in
    # another order elsewhere.
    from numba.core.compiler_lock import global_compiler_lock

    lock: AbstractContextManager[object] = global_compiler_lock
    return lock


@lru_cache(maxsize=1)
def _addresses() -> dict[str, int]:
    from numbanorm.kernels.threads import entries

    return entries.addresses()


def address(name: str) -> int:
    """Return where one of the functions is; see `kernels.threads.entries`."""
    return _addresses()[name] if library.loaded() is None else library.address(name)


@lru_cache(maxsize=1)
def ready() -> Crew:
    """Give this process's operations their launcher, which makes threads when they are needed."""
    pool = words(POOL)
    pool[SERVER] = address("nbn_serve")
    pool[LOOKS] = _looks(ctypes.CFUNCTYPE(None, ctypes.c_int64)(address("nbn_idle")))
    words(LAUNCHER)[0] = address("nbn_start")
    plain = ctypes.CFUNCTYPE(None)
    return Crew(plain(address("nbn_stop")), plain(address("nbn_resume")))


def _looks(idle: Callable[[int], None]) -> int:
    """Return how many looks take `PATIENCE`: a pause is 15 ns on some processors, on others 60."""
    count, least = 1000, float("inf")
    for _ in range(5):
        start = time.perf_counter()
        idle(count)
        least = min(least, time.perf_counter() - start)
    return int(PATIENCE / least * count)
