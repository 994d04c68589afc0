"""Every Numba option used here, with its reason.

Two kinds of function are compiled:

`leaf`
    A serial loop over raw pointers. It raises nothing and is compiled into whatever calls it, so it
    has no cache entry of its own. `exact` is one that others than kernels call, `public` one that
    users' functions do.
`operation`, `serial`
    What Python calls, through a driver that is cached on disk.
"""

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

from numba.core import types
from numba.core.registry import CPUDispatcher
from numba.core.typing.templates import infer_global

from numbanorm.kernels.always import Driver
from numbanorm.kernels.cache import KernelCache
from numbanorm.kernels.float_modes import apart, enter_default_modes, leave_default_modes
from numbanorm.kernels.leaves import LeafCompiler
from numbanorm.kernels.system import give_gil_back, take_gil_again

# error_model="numpy": a division by zero gives inf, and no leaf can raise. No fastmath: it folds
# isnan to False and would reorder the sums whose order is promised. No nogil: drivers give the GIL
# back where it pays.
BASE: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": False,
    "boundscheck": False,
}


# Elements from which on a driver gives the GIL back. Eight Python threads that did so in calls of a
# microsecond got 0.4 of one thread's calls done: each had to wait for it.
FREE_ELEMENTS = 1 << 14


def _leaf(kind: type[CPUDispatcher], function: Callable[..., Any], **more: Any) -> Any:
    """Return what compiles a leaf."""
    pipeline: Any = LeafCompiler
    return kind(function, targetoptions={"nopython": True, **BASE, **more}, pipeline_class=pipeline)


def leaf(function: Callable[..., Any]) -> Any:
    """Compile a serial loop over pointers, to be called by other compiled code only."""
    return _for_any_value(_leaf(CPUDispatcher, function))


def inlined(function: Callable[..., Any]) -> Any:
    """Compile like `leaf`, and always inline: for a few instructions that stand in hot loops."""
    return _for_any_value(_leaf(CPUDispatcher, function, forceinline=True))


def exact(function: Callable[..., Any]) -> Any:
    """Compile like `leaf`, to work in the default floating-point modes, whatever the caller has."""
    inner = leaf(function)

    @leaf
    def in_default_modes(*args):  # type: ignore[no-untyped-def]
        before = enter_default_modes()
        result = apart(inner, args)
        leave_default_modes(before)
        return result

    return in_default_modes


def _for_any_value(dispatcher: Any) -> Any:
    """Make a leaf be typed once for all values of an argument, constants too.

    Numba types a function anew for every True and every 1 that it is called with; LLVM finds what
    there is to gain by itself. This halves the time to compile all C functions.
    """
    template = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: template(tuple(map(plain, args)), kws)
    return dispatcher


def plain(kind: Any) -> Any:
    """Return a Numba type without the values it may hold."""
    if isinstance(kind, types.BaseTuple):
        parts: Any = kind
        return types.BaseTuple.from_types([plain(part) for part in parts])
    return types.unliteral(kind)


def shared(function: Callable[..., Any]) -> None:
    """Let compiled code call a plain Python function, inlined; Python goes on calling it too."""
    compiled = _leaf(CPUDispatcher, function, forceinline=True)
    _kept.append(compiled)
    infer_global(function, types.Dispatcher(compiled))


# A type does not keep its function.
_kept: list[Any] = []


class _Public(CPUDispatcher):
    """A leaf that Python can call too, as a user's function does where NUMBA_DISABLE_JIT is set."""

    @cached_property
    def _driver(self) -> Any:
        def driver(*args):  # type: ignore[no-untyped-def]
            return leaf(*args)

        leaf = self
        return _driver(driver, f"public.{self.py_func.__name__}")

    def __call__(self, *args: Any, **named: Any) -> Any:
        given = inspect.signature(self.py_func).bind(*args, **named)
        given.apply_defaults()
        return self._driver(*given.args)


def public(function: Callable[..., Any]) -> Any:
    """Compile like `leaf`, and let Python call it with the same arguments."""
    return _for_any_value(_leaf(_Public, function))


def serial(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls, to run in the calling thread."""
    return _driver(function, function.__name__)


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

    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    inner.driver = _driver(driver, name)
    return inner


def _driver(function: Callable[..., Any], name: str) -> Any:
    """Return what compiles a function that Python calls, or loads it by its name in the cache."""
    compiled: Any = Driver(function, targetoptions={"nopython": True, **BASE})
    compiled._cache = KernelCache(name)
    return compiled
