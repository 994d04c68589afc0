"""The threads that work, which are `numbanorm.kernels.threads.pool`'s, and what a fork needs."""

from __future__ import annotations

import atexit
import logging
import os
import sys
from contextlib import ExitStack
from typing import Any

from numbanorm._status import RULES, Status
from numbanorm.threads import counts, crew
from numbanorm.threads.counts import importing
from numbanorm.threads.shared import THREADS, words

# What ends the threads, once operations have a launcher.
_crew: crew.Crew | None = None

# Whether C callers use this process's kernels too.
_serves_c = False

# What is held while the process forks.
_forking = ExitStack()


def set_num_threads(n: int) -> None:
    """Set how many threads large arrays are worked on with; see `numbanorm.set_num_threads`."""
    counts.choose(n)
    if _serves_c:
        serve_c()


def serve_c() -> None:
    """Get threads for C callers, and tell them, who can't ask, how many."""
    global _serves_c
    get_ready()
    words(THREADS)[0], _ = counts.deciding(here=False)
    _serves_c = True


def get_ready() -> None:
    """Give operations what launches threads."""
    global _crew
    with crew.held():
        if _crew is None:
            _crew = crew.ready()
            # Their code and memory go when the interpreter ends.
            atexit.register(_crew.stop)


def run(operation: Any, view: tuple[int, ...], args: tuple[Any, ...], workers: int) -> None:
    """Call a compiled operation with up to `workers` threads; the results are the same for any."""
    if workers > 1 and _crew is None:
        get_ready()
    if operation.driver(view, args, workers):
        raise MemoryError(RULES[Status.MEMORY])


def _before_fork() -> None:
    """Let compilers finish and end the threads: a child would have neither, but their locks."""
    global _forking
    held = ExitStack()
    held.enter_context(importing)
    lock = getattr(sys.modules.get("numba.core.compiler_lock"), "global_compiler_lock", None)
    if lock is not None:
        held.enter_context(lock)
    _forking = held
    if _crew is not None:
        _crew.stop()


def _after_fork() -> None:
    if _crew is not None:
        _crew.resume()
    _forking.close()


def _in_child() -> None:
    counts.count_fork()
    _after_fork()


# Logging's lock is one that a compiler wants: who forks must wait for the compiler before taking
# it. What is registered last is called first, so logging must have been imported by now.
if hasattr(os, "register_at_fork") and logging:
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
