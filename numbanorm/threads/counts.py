"""How many threads large arrays are worked on with: who has said so, and whose word holds."""

from __future__ import annotations

import os
import re
import sys
import threading
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NamedTuple

from numbanorm.plan.tuning import MAX_WORKERS
from numbanorm.prebuilt import library
from numbanorm.threads.quota import processors

# Held while Numba or kernels are imported.
importing = threading.RLock()

# As the process began, which is when OpenMP and Numba read theirs.
_VARIABLES = ("NUMBANORM_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_NUM_THREADS")
_environment = {name: os.environ.get(name, "") for name in _VARIABLES}


class Said(NamedTuple):
    """A number of threads that a program asked for, and after how many forks."""

    number: int
    forks: int


# How many forks lie between this process and the one that imported numbanorm first.
_forks = 0

# The number set for the process, and those set for blocks of code, the innermost last.
_chosen: Said | None = None
_limits: ContextVar[tuple[Said, ...]] = ContextVar("numbanorm_num_threads", default=())


def count_fork() -> None:
    """Note that this process is a fork of the one that it was."""
    global _forks
    _forks += 1


def choose(number: int) -> None:
    """Set the number for the process."""
    global _chosen
    _chosen = Said(number, _forks)


class Limit:
    """A context manager that sets the number of threads for the code in its block.

    A context variable holds it, so that neither other threads nor other tasks of an event loop see
    it. It may be entered any number of times, by any thread.
    """

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> None:
        """Set the number."""
        _limits.set((*_limits.get(), Said(self._number, _forks)))

    def __exit__(self, *_: object) -> None:
        """Let hold what held before."""
        _limits.set(_limits.get()[:-1])


def get() -> int:
    """Return how many threads large arrays are worked on with here."""
    return deciding()[0]


def deciding(here: bool = True) -> tuple[int, str]:
    """Return how many threads large arrays are worked on with, and what says so.

    If not `here`, that is for those whom no block of Python code holds.
    """
    limits = _limits.get() if here else ()
    working = _loads_data()
    # What the parent of a DataLoader's worker said of itself, it did not say of its workers.
    if limits and (not working or limits[-1].forks == _forks):
        return limits[-1].number, "numbanorm.num_threads"
    if _chosen is not None and (not working or _chosen.forks == _forks):
        return _chosen.number, "numbanorm.set_num_threads"
    if working:
        return 1, "a PyTorch DataLoader's worker"
    own = _own()
    return (own, "NUMBANORM_NUM_THREADS") if own else _by_others()


def _loads_data() -> bool:
    """Return whether this is a PyTorch DataLoader's worker, one of many, each with a thread."""
    ask = getattr(sys.modules.get("torch.utils.data"), "get_worker_info", None)
    return ask is not None and ask() is not None


@lru_cache(maxsize=1)
def _own() -> int:
    """Return the number that NUMBANORM_NUM_THREADS says, or 0."""
    value = _environment["NUMBANORM_NUM_THREADS"].strip()
    if not value:
        return 0
    if not re.fullmatch("[0-9]{1,18}", value) or int(value) == 0:
        raise ValueError(f"NUMBANORM_NUM_THREADS must be an int of 1 or more, got {value!r}")
    return int(value)


def _by_others() -> tuple[int, str]:
    """Return what Numba or OpenMP were told, else what the machine has."""
    everything, default = _of_numba()
    # Numba's threads have been started by whoever set their number; asking would start them.
    parallel: Any = sys.modules.get("numba.np.ufunc.parallel")
    if getattr(parallel, "_is_initialized", False):
        number = int(parallel.get_num_threads())
        if number != everything:
            return number, "numba.set_num_threads"
    if everything != default or _environment["NUMBA_NUM_THREADS"].strip() == str(everything):
        return everything, "NUMBA_NUM_THREADS"
    number = _of_openmp()
    if number:
        return number, "OMP_NUM_THREADS"
    quota = processors() or MAX_WORKERS
    if quota < default:
        return quota, "the container's CPU quota"
    return default, "the processors that the process may run on"


def _of_numba() -> tuple[int, int]:
    """Return how many threads Numba has, or would have, and how many if nothing said otherwise."""
    config: Any = sys.modules.get("numba.core.config")
    if config is None and library.loaded() is None:
        with importing:
            from numba.core import config
    if config is not None:
        return config.NUMBA_NUM_THREADS, config.NUMBA_DEFAULT_NUM_THREADS
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    default, said = allowed or 1, _environment["NUMBA_NUM_THREADS"].strip()
    return int(said) if re.fullmatch("[0-9]{1,9}", said) and int(said) else default, default


@lru_cache(maxsize=1)
def _of_openmp() -> int:
    """Return the number that OMP_NUM_THREADS says for an outermost level, or 0.

    What is no list of positive numbers is ignored, as OpenMP's implementations do.
    """
    values = [value.strip() for value in _environment["OMP_NUM_THREADS"].split(",")]
    if all(re.fullmatch("[0-9]{1,18}", value) and int(value) for value in values):
        return int(values[0])
    return 0
