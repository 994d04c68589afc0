"""torch's own OpenMP threads, to work on norms too: as many as `torch.get_num_threads` says."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from pathlib import Path

import torch

from numbanorm.threads import openmp, workers
from numbanorm.threads.counts import Limit

# The key under which a thread keeps that it asked for torch's threads; None: not looked for yet,
# or -1 where there are none to ask for.
_key: int | None = None
_looking = threading.Lock()
_asked = threading.local()


def _libraries() -> list[Path]:
    """Return the OpenMP libraries of this process, torch's first."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    paths = dict.fromkeys(Path(line.split(maxsplit=5)[5]) for line in lines if "/" in line)
    known = [path for path in paths if path.name.startswith(("libgomp", "libiomp", "libomp"))]
    home = Path(torch.__file__).parent
    return sorted(known, key=lambda path: not path.is_relative_to(home.parent))


def _look() -> int:
    """Return the key, once the launcher knows torch's threads."""
    workers.get_ready()
    for path in _libraries():
        with contextlib.suppress(OSError, AttributeError):
            return openmp.ready(ctypes.CDLL(str(path)))
    return -1


def _ask() -> None:
    """Let this thread's regions be worked on by torch's threads, if they can be found."""
    global _key
    if _key is None:
        with _looking:
            if _key is None:
                _key = _look()
    if _key >= 0:
        ctypes.CDLL(None).pthread_setspecific(ctypes.c_uint32(_key), ctypes.c_void_p(1))
    _asked.done = True


def as_torch() -> Limit:
    """Return a block in which work is done by as many threads as torch has, and by torch's."""
    number = torch.get_num_threads()
    if number > 1 and not hasattr(_asked, "done"):
        _ask()
    return Limit(number)


def _in_child() -> None:
    """Do without in a forked child, where a team of OpenMP would never come."""
    global _key
    if _key is not None and _key >= 0:
        openmp.give_up()
        _key = -1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
