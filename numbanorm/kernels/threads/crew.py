"""The pool's functions, compiled, for Python to set up, to end and to let go on."""

import ctypes
import time
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from numba.core import types

from numbanorm.kernels.compile import bundles
from numbanorm.kernels.threads import pool
from numbanorm.kernels.threads.launch import variables
from numbanorm.plan.tuning import PATIENCE


class Crew(NamedTuple):
    """What ends the threads, and what lets them be made anew."""

    stop: Callable[[], None]
    resume: Callable[[], None]


@lru_cache(maxsize=1)
def ready() -> Crew:
    """Give this process's operations their launcher, which makes threads when they are needed."""
    nothing, address, number = types.void(), types.voidptr, types.int64
    entries: bundles.Entries = {
        "nbn_serve": (pool.serve, types.void(address)),
        "nbn_start": (pool.start, types.void(address, address, number)),
        "nbn_stop": (pool.stop, nothing),
        "nbn_resume": (pool.resume, nothing),
        "nbn_idle": (pool.idle, types.void(number)),
    }
    found = bundles.addresses("pool", lambda: entries, list(entries))
    pool.words[pool.SERVER] = found["nbn_serve"]
    pool.words[pool.LOOKS] = _looks(ctypes.CFUNCTYPE(None, ctypes.c_int64)(found["nbn_idle"]))
    variables.nbn_launcher = found["nbn_start"]
    plain = ctypes.CFUNCTYPE(None)
    return Crew(plain(found["nbn_stop"]), plain(found["nbn_resume"]))


def _looks(idle: Callable[[int], None]) -> int:
    """Return how many looks take `PATIENCE`: a pause is 15 ns on some processors, on others 60."""
    count, least = 1000, float("inf")
    for _ in range(5):
        start = time.perf_counter()
        idle(count)
        least = min(least, time.perf_counter() - start)
    return int(PATIENCE / least * count)
