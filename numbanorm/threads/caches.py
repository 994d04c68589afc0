"""From how many bytes on results are written past the caches: as their sizes say, or measured.

A store past the caches saves the read of what is overwritten, and costs whoever reads the result
what a cache would have had. It pays where an operation's arrays no longer fit the last cache, of
which a program may have a part only: so it is the sum of their bytes that is compared.
"""

import json
import os
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from numbanorm import _store
from numbanorm.plan.tuning import (
    SECOND_CACHE,
    SHARE_OF_OTHERS_THIRD,
    SHARE_OF_SECOND,
    SHARE_OF_THIRD,
    STREAM_MOST,
)
from numbanorm.threads import processor
from numbanorm.threads.shared import STREAM_ALONE, STREAM_EACH, words

_CPUS, _UNITS = Path("/sys/devices/system/cpu"), {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

# What is measured: copies of these bytes, so often, for so many seconds after so many others: what
# is called again and again finds in a cache what it left there.
_SIZES = [1 << k for k in range(20, 28)]
_TURNS, _WARM, _TIMED = 3, 0.01, 0.005

Copy = Callable[[Any, Any, None, int, bool], None]


class Limits(NamedTuple):
    """Bytes of arrays from which on one thread streams, and how many more for each other one."""

    alone: int
    each: int

    def of(self, workers: int) -> int:
        """Return from how many bytes on so many threads stream."""
        return self.alone + (workers - 1) * self.each


def _cache(cpu: int, level: int) -> tuple[int, set[int]] | None:
    """Return the size of a processor's cache of data, and who shares it, if Linux tells."""
    for index in _CPUS.glob(f"cpu{cpu}/cache/index*"):
        try:
            found, kind, size, shared = (
                (index / name).read_text("ascii").strip()
                for name in ("level", "type", "size", "shared_cpu_list")
            )
            if int(found) == level and kind != "Instruction":
                return int(size.rstrip("KMG")) * _UNITS.get(size[-1], 1), _processors(shared)
        except (OSError, ValueError):
            continue
    return None


def _processors(ranges: str) -> set[int]:
    """Return the processors of a list like 0-3,8."""
    found: set[int] = set()
    for one in ranges.split(","):
        first, _, last = one.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def by_sizes() -> Limits:
    """Return the limits that the caches' sizes suggest."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
    third, left = [], set(allowed)
    while left and (found := _cache(min(left), 3)):
        third.append(found[0])
        left -= found[1] | {min(left)}
    if not third:
        second = _cache(min(allowed), 2)
        private = int(SHARE_OF_SECOND * (second[0] if second else SECOND_CACHE))
        return Limits(private, private)
    alone, together = int(SHARE_OF_THIRD * max(third)), int(SHARE_OF_THIRD * sum(third))
    if not processor.is_zen():
        half = int(SHARE_OF_OTHERS_THIRD * max(third))
        alone, together = min(half, STREAM_MOST), min(half, STREAM_MOST * len(allowed))
    return Limits(alone, (together - alone) // max(1, len(allowed) - 1))


def _file_name() -> str:
    return f"limits-{processor.name()}-{os.cpu_count()}"


def is_measured() -> bool:
    """Return whether there is a measurement for this machine."""
    return _store.read(_folders(), _file_name()) is not None


def _folders() -> list[Path]:
    return [folder / "numbanorm-limits" for folder in _store.candidates()]


def set_limits() -> None:
    """Let results be written past the caches from where on that pays on this machine."""
    limits, _ = deciding()
    words(STREAM_ALONE)[0], words(STREAM_EACH)[0] = limits


@lru_cache(maxsize=1)
def deciding() -> tuple[Limits, str]:
    """Return the limits that hold, and what says so."""
    stored = _store.read(_folders(), _file_name())
    if stored is not None:
        return Limits(*json.loads(stored)), "measurement"
    return by_sizes(), "the caches' sizes"


def measure(copy: Copy, threads: int) -> Limits:
    """Measure the limits by ``copy(y, x, None, workers, streamed)``, keep and return them."""
    alone = _measured(copy, 1)
    each = 0 if threads == 1 else (_measured(copy, threads) - alone) // (threads - 1)
    limits = Limits(alone, max(0, each))
    _store.write(_folders(), _file_name(), json.dumps(limits).encode())
    deciding.cache_clear()
    return limits


def _measured(copy: Copy, workers: int) -> int:
    """Return the bytes of both arrays from which on copies are faster past the caches."""
    limit = 2 * _SIZES[0]
    for size in _SIZES:
        x, y = np.ones(size // 4, np.float32), np.ones(size // 4, np.float32)
        taken: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(_TURNS):
            for streamed, times in taken.items():
                once = partial(copy, y, x, None, workers, streamed)
                _seconds(once, _WARM)
                times.append(_seconds(once, _TIMED))
        if median(taken[False]) <= median(taken[True]):
            # Halfway, as factors go, to the next size.
            limit = size * 3
        elif size > limit:
            break
    return limit


def _seconds(call: Callable[[], None], least: float) -> float:
    """Return the seconds of a call, made again and again for so many seconds."""
    count, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < least or count == 0:
        call()
        count += 1
    return passed / count
