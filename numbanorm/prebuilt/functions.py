"""The functions of the library, as `numbanorm.calls` calls those that Numba compiles."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from numbanorm.prebuilt import library
from numbanorm.prebuilt.table import OPERATIONS, SERIAL, Function


class _Compiled(dict[str, Callable[..., int]]):
    """A function by the kinds of its arrays: reached when first called for."""

    def __init__(self, function: Function, calls: str) -> None:
        self._function, self._method = function, f"{calls}_{function.shape}"

    def __missing__(self, kinds: str) -> Callable[..., int]:
        one = self._function
        if kinds not in one.kinds:
            raise TypeError(f"{one.name} is not compiled for {kinds!r}")
        self[kinds] = found = library.called(self._method, one.symbol(kinds))
        return found


def operation(function: Function) -> Any:
    """Return an operation: what has a ``driver(view, args, workers)``."""
    compiled, keys = _Compiled(function, "operation"), function.keys
    first, second = keys[0], keys[-1]
    if len(keys) == 1:

        def driver(view: tuple[int, ...], args: tuple[Any, ...], workers: int) -> int:
            return compiled[args[first].dtype.char](view, args, workers)
    else:

        def driver(view: tuple[int, ...], args: tuple[Any, ...], workers: int) -> int:
            kinds = args[first].dtype.char + args[second].dtype.char
            return compiled[kinds](view, args, workers)

    return SimpleNamespace(driver=driver)


def serial(function: Function) -> Callable[..., int]:
    """Return a function that works in the calling thread."""
    compiled, keys = _Compiled(function, "serial"), function.keys
    if not keys:
        return compiled[""]

    def call(*args: Any) -> int:
        return compiled["".join([args[i].dtype.char for i in keys])](*args)

    return call


def modules() -> Any:
    """Return what stands for the modules of `numbanorm.kernels.operations`, by their names."""
    found: dict[str, SimpleNamespace] = {}
    for functions, made in ((OPERATIONS, operation), (SERIAL, serial)):
        for one in functions:
            module, _, name = one.name.partition(".")
            setattr(found.setdefault(module, SimpleNamespace()), name, made(one))
    return SimpleNamespace(**found)
