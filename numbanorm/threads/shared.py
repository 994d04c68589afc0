"""The variables that compiled code and Python share, by the symbols that compiled code knows.

They are the library's where kernels are compiled ahead, and then code that Numba compiles here uses
the same: a process has one set of threads.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from numbanorm.plan.tuning import MAX_WORKERS
from numbanorm.prebuilt import library

# What launches threads, or null; how many threads C callers want.
LAUNCHER, THREADS = "nbn_launcher", "nbn_threads"

# From how many bytes on results are written past the caches: by one thread, and how many more for
# each other one.
STREAM_ALONE, STREAM_EACH = "nbn_stream_alone", "nbn_stream_each"

# The memory of our own threads; see `kernels.threads.pool`, which says what its words are.
POOL, POOL_WORDS = "nbn_pool", 32 + 3 * MAX_WORKERS
# How many threads there are, how many have been asked for, what they run, how often who waits looks
# before it sleeps, and whether they shall end.
MADE, ASKED, SERVER, LOOKS, STOP = range(24, 29)

# What is known of another library's OpenMP threads: the addresses of these functions, as GCC's
# runtime names them and others do too; the key under which a thread keeps that it asked for them;
# and the launcher of all other threads. See `kernels.threads.openmp`.
NAMES = "GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads"
KEY, OTHERS = len(NAMES), len(NAMES) + 1
OPENMP, OPENMP_WORDS = "nbn_openmp", OTHERS + 1


# How many words the variables have that have several.
_COUNTS = {POOL: POOL_WORDS, OPENMP: OPENMP_WORDS}


@cache
def words(symbol: str) -> Any:
    """Return the int64s of a symbol, an array of ctypes."""
    kind, found = ctypes.c_int64 * _COUNTS.get(symbol, 1), library.loaded()
    return kind() if found is None else kind.in_dll(found, symbol)


def address(symbol: str) -> int:
    """Return where they are."""
    return ctypes.addressof(words(symbol))
