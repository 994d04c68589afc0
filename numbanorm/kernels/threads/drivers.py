"""What Python calls, by drivers that are cached on disk: `operation`, `serial` and `public`."""

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any

from numba.core.registry import CPUDispatcher

from numbanorm.kernels.compile.always import Driver
from numbanorm.kernels.compile.cache import KernelCache
from numbanorm.kernels.compile.leaves import DriverCompiler, PublicCompiler
from numbanorm.kernels.compile.options import BASE, leaf, named
from numbanorm.kernels.threads.float_modes import apart, enter_default_modes, leave_default_modes
from numbanorm.kernels.threads.system import give_gil_back, take_gil_again
from numbanorm.plan.tuning import FREE_ELEMENTS


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
    return _driver(function, function.__name__)


class _Public(CPUDispatcher):
    """A leaf that Python can call too, as a user's function does where NUMBA_DISABLE_JIT is set."""

    @cached_property
    def _driver(self) -> Any:
        def driver(*args):  # type: ignore[no-untyped-def]
            return inner(*args)

        inner, name = self, f"public.{self.py_func.__name__}"
        return _driver(named(driver, f"{name}.driver"), name)

    def __call__(self, *args: Any, **given: Any) -> Any:
        bound = inspect.signature(self.py_func).bind(*args, **given)
        bound.apply_defaults()
        return self._driver(*bound.args)


def public(function: Callable[..., Any]) -> Any:
    """Compile like `leaf`, for users' functions, and let Python call it with the same arguments."""
    return leaf(function, _Public, PublicCompiler)


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
    inner.driver = _driver(named(driver, f"{name}.driver"), name)
    return inner


def _place(function: Callable[..., Any]) -> str:
    return f"{function.__module__.rpartition('.')[2]}.{function.__name__}"


def _driver(function: Callable[..., Any], name: str) -> Any:
    """Return what compiles a function that Python calls, or loads it by its name in the cache."""
    pipeline: Any = DriverCompiler
    options = {"nopython": True, **BASE}
    compiled: Any = Driver(function, targetoptions=options, pipeline_class=pipeline)
    compiled._cache = KernelCache(name)
    return compiled
