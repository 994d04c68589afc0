"""Processes that do one job each at a time, in which neither BLAS nor our layers use threads."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

J = TypeVar("J")
R = TypeVar("R")

# What libraries are told that do linear algebra for NumPy. Two threads for matrices as small as
# these took ten times as long as one where other programs were running, and a sum's bits may
# depend on their number.
_ONE = {
    name: "1"
    for name in (
        "MKL_NUM_THREADS",
        "NUMBANORM_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    )
}

_work: Callable[[Any], Any] | None = None


@contextlib.contextmanager
def started(work: Callable[[J], R], count: int) -> Iterator[Callable[[Iterable[J]], Iterator[R]]]:
    """Start processes; yields a function that does jobs there and yields results in their order.

    Parameters
    ----------
    work : callable
        What does a job; it is sent to each process once. In a frozen program, which could not
        start itself as another process, it is called in this one.
    count : int
        How many processes.
    """
    if getattr(sys, "frozen", False):
        yield lambda jobs: map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, _begin, (work,))
    # They start with the first job, and read these variables then.
    before = {name: os.environ.get(name) for name in _ONE}
    os.environ.update(_ONE)
    try:
        yield lambda jobs: pool.map(_do, jobs)
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _begin(work: Callable[[Any], Any]) -> None:
    """Keep what does jobs, and leave what there is to say of Ctrl-C to the process that began."""
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _do(job: Any) -> Any:
    assert _work is not None
    return _work(job)
