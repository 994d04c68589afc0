"""How many threads work, and when it is safe and worth while to start them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# The number set by the user; None is Numba's own default.
_chosen: int | None = None

# The threading layer, once its threads are started.
_layer: str | None = None

# How often idle threads look for work before they sleep: for about 0.3 ms. Sleeping at once costs
# 80 us a launch, to wake up. Not sleeping costs others the cores: libgomp's default is 10 ms, and
# that is what a launch then takes when other processes want them.
SPIN = "10000"
_WAITING = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}

# Whether this process was forked from one whose threads were started: they are not in it.
_forked = False

# Numba's workqueue layer aborts the process when two threads launch at once.
_launching = threading.Lock()


def set_num_threads(n: int) -> None:
    """Set how many threads large arrays are worked on with; see `numbanorm.set_num_threads`."""
    global _chosen
    _chosen = n


def get_num_threads() -> int:
    """Return how many threads large arrays are worked on with."""
    if _chosen is not None:
        return _chosen
    import numba

    return int(numba.get_num_threads())


def threading_layer() -> str:
    """Start Numba's threads, if need be, and return the name of the layer they run in."""
    global _layer
    if _layer is None:
        import numba

        with _brief_waiting():
            numba.get_num_threads()
            _layer = str(numba.threading_layer())  # type: ignore[attr-defined]
    return _layer


@contextmanager
def _brief_waiting() -> Iterator[None]:
    """Let libgomp, which reads the environment when it is loaded, wait as `SPIN` says.

    A user's own setting stands.
    """
    if _WAITING & os.environ.keys():
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = SPIN
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def run(drivers: Any, view: tuple[int, ...], args: tuple[Any, ...], workers: int) -> None:
    """Call a kernel's parallel driver with `workers`, or its serial twin where that is safer.

    The two give the same bits. The twin runs where Numba's threads can't be used: in a process
    forked after they were started (but for tbb's), or while another thread launches (workqueue).
    """
    if workers <= 1:
        drivers.serial(view, args)
        return
    layer = threading_layer()
    if _forked and layer != "tbb":
        drivers.serial(view, args)
    elif layer != "workqueue":
        drivers.parallel(view, args, workers)
    elif _launching.acquire(blocking=False):
        try:
            drivers.parallel(view, args, workers)
        finally:
            _launching.release()
    else:
        drivers.serial(view, args)


def _after_fork_in_child() -> None:
    global _forked, _launching
    _forked = _layer is not None
    _launching = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
