"""Another library's OpenMP threads, for the threads of this process that ask for them.

See `numbanorm.kernels.threads.openmp`, which launches work on them.
"""

from __future__ import annotations

import ctypes

from numbanorm.threads import crew
from numbanorm.threads.shared import KEY, LAUNCHER, NAMES, OPENMP, OTHERS, words


def ready(library: ctypes.CDLL) -> int:
    """Let threads that ask be served by a library's team; returns the key to ask with.

    Operations must have their launcher already.
    """
    known = words(OPENMP)
    for i, name in enumerate(NAMES):
        known[i] = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
    key = ctypes.c_uint32()
    if ctypes.CDLL(None).pthread_key_create(ctypes.byref(key), None):
        raise OSError("the system has no key left for a thread's own data")
    known[KEY], known[OTHERS] = key.value, words(LAUNCHER)[0]
    words(LAUNCHER)[0] = crew.address("nbn_openmp_start")
    return int(key.value)


def give_up() -> None:
    """Serve all threads as others: a forked child's team would never come."""
    others = words(OPENMP)[OTHERS]
    if others:
        words(LAUNCHER)[0] = others
