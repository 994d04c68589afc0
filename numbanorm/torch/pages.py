"""Large pages for large results, as NumPy asks for them for its arrays.

Memory that a program gets anew is put together page by page when it is first written. Of pages of
4 kB that can take several times as long as the norm that writes them.
"""

from __future__ import annotations

import ctypes
import mmap
from functools import lru_cache
from typing import Any

from numbanorm.plan.tuning import LARGE_PAGE, LARGE_RESULT

_ADVICE = getattr(mmap, "MADV_HUGEPAGE", None)


@lru_cache(maxsize=1)
def _madvise() -> Any:
    """Return the system's function."""
    found = ctypes.CDLL(None).madvise
    found.argtypes, found.restype = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int], ctypes.c_int
    return found


def prefer_large(address: int, size: int) -> None:
    """Ask for large pages in memory that is about to be written; it stays whose it is."""
    if _ADVICE is None or size < LARGE_RESULT:
        return
    first, last = -(-address // LARGE_PAGE), (address + size) // LARGE_PAGE
    if last > first:
        # What the system can't do, it says, and does without.
        _madvise()(first * LARGE_PAGE, (last - first) * LARGE_PAGE, _ADVICE)
