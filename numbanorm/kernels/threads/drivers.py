"""What Python calls, through drivers that are cached on disk: `operation` and `serial`."""

from collections.abc import Callable
from typing import Any

import numba

from numbanorm.kernels.compile.cache import KernelCache
from numbanorm.kernels.compile.options import BASE, leaf, named
from numbanorm.kernels.threads.float_modes import apart, enter_default_modes, leave_default_modes
from numbanorm.kernels.threads.system import give_gil_back, take_gil_again

# Elements from which on a driver gives the GIL back. Eight Python threads that did so in calls of a
# microsecond got 0.4 of one thread's calls done: each had to wait for it.
FREE_ELEMENTS = 1 << 14


def exact(function: Callable[..., Any]) -> Any:
    """Compile like `leaf`, to work in the default floating-point modes, whatever the caller has."""
    inner = leaf(function)

    def in_default_modes(*args):  # type: ignore[no-untyped-def]
        before = enter_default_modes()
        result = apart(inner, args)
        leave_default_modes(before)
        return result

    return leaf(named(in_default_modes, f"{_place(function)}.in_default_modes"))


def serial(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, to run in the calling thread."""
    return _cached(numba.njit(**BASE)(function), function.__name__)


def operation(function: Callable[..., Any]) -> Any:
    """Compile ``function(view, args, workers)``, a leaf that returns a status, for all callers.

    `view` and `args` are flat tuples. Compiled code calls the result as a leaf, Python calls its
    `driver`.
    """
    inner = exact(function)

    def driver(view, args, workers):  # type: ignore[no-untyped-def]
        batch, outer, group, width, run = view
        if batch * outer * group * width * run < FREE_ELEMENTS:
            return inner(view, args, workers)
        state = give_gil_back()
        status = inner(view, args, workers)
        take_gil_again(state)
        return status

    name = _place(function)
    inner.driver = _cached(numba.njit(**BASE)(named(driver, f"{name}.driver")), name)
    return inner


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def _cached(dispatcher: Any, name: str) -> Any:
    dispatcher._cache = KernelCache(name)
    return dispatcher
