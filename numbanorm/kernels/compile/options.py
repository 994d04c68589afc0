"""Every Numba option used here, with its reason.

What is compiled is either a `leaf`, a serial loop over raw pointers, which raises nothing and is
compiled into whatever calls it, so that it has no cache entry of its own; or one of the `drivers`.
"""

from collections.abc import Callable
from typing import Any

from numba.core import types
from numba.core.registry import CPUDispatcher
from numba.core.typing.templates import infer_global

from numbanorm.kernels.compile.leaves import LeafCompiler

# error_model="numpy": a division by zero gives inf, and no leaf can raise. No fastmath: it folds
# isnan to False and would reorder the sums whose order is promised. No nogil: drivers give the GIL
# back where it pays.
BASE: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": False,
    "boundscheck": False,
}


def leaf(
    function: Callable[..., Any],
    kind: type[CPUDispatcher] = CPUDispatcher,
    pipeline: Any = LeafCompiler,
) -> Any:
    """Compile a serial loop over pointers, to be called by other compiled code only."""
    return _for_any_value(_leaf(function, kind, pipeline))


def inlined(function: Callable[..., Any]) -> Any:
    """Compile like `leaf`, and always inline: for a few instructions that stand in hot loops."""
    return _for_any_value(_leaf(function, forceinline=True))


def _leaf(
    function: Callable[..., Any],
    kind: type[CPUDispatcher] = CPUDispatcher,
    pipeline: Any = LeafCompiler,
    **more: Any,
) -> Any:
    """Return what compiles a leaf."""
    return kind(function, targetoptions={"nopython": True, **BASE, **more}, pipeline_class=pipeline)


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
        named = getattr(kind, "instance_class", None)
        return types.BaseTuple.from_types([plain(part) for part in parts], named)
    return types.unliteral(kind)


def shared(function: Callable[..., Any]) -> None:
    """Let compiled code call a plain Python function, inlined; Python goes on calling it too."""
    compiled = _leaf(function, forceinline=True)
    _kept.append(compiled)
    infer_global(function, types.Dispatcher(compiled))


# A type does not keep its function.
_kept: list[Any] = []


def named(function: Callable[..., Any], name: str) -> Any:
    """Return a function made by another one, under a name that no other has.

    The linker knows compiled code by such names, and takes code of the same name for the same.
    """
    function.__qualname__, function.__name__ = name, name.rpartition(".")[2]
    return function
