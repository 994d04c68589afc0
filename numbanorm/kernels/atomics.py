"""Memory that threads share: atomic operations in one order for all threads, and waiting."""

import platform
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.pointers import BYTES, I64

_ORDER = "seq_cst"
_COUNTER = types.CPointer(types.int64)


def _update(operation: str) -> Any:
    """Return an intrinsic ``(p, value)`` that changes p[0] and returns what it was before."""

    def typed(_: Any, p: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.atomic_rmw(operation, args[0], args[1], _ORDER)

        return types.int64(_COUNTER, types.int64), codegen

    typed.__name__ = operation
    return intrinsic(typed)


exchange, add, both, either = map(_update, ("xchg", "add", "and", "or"))


@intrinsic
def seen(_: Any, p: Any) -> Any:
    """Return p[0]."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(args[0], _ORDER, 8)

    return types.int64(_COUNTER), codegen


@intrinsic
def exchange_if(_: Any, p: Any, expected: Any, value: Any) -> Any:
    """Set p[0] to `value` if it is `expected`; returns what it was before."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.extract_value(builder.cmpxchg(*args, _ORDER, _ORDER), 0)

    return types.int64(_COUNTER, types.int64, types.int64), codegen


# LLVM's names for it.
_PAUSES: dict[str, tuple[str, list[int]]] = {
    "x86_64": ("llvm.x86.sse2.pause", []),
    "amd64": ("llvm.x86.sse2.pause", []),
    "aarch64": ("llvm.aarch64.hint", [1]),
    "arm64": ("llvm.aarch64.hint", [1]),
}


@intrinsic
def pause(_: Any) -> Any:
    """Tell the processor that the thread spins."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        name, flags = _PAUSES.get(platform.machine().lower(), ("", []))
        if name:
            _call(builder, name, [ir.IntType(32)(flag) for flag in flags])
        return context.get_dummy_value()

    return types.void(), codegen


def _call(builder: Any, name: str, given: list[Any]) -> None:
    """Call a function of the process, or of LLVM, by its name."""
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in given])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)


def _with_lock(name: str, *flags: int) -> Any:
    """Return an intrinsic ``(p)`` that calls a function of the process with the lock at p."""

    def typed(_: Any, p: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            lock = builder.load(builder.bitcast(args[0], BYTES.as_pointer()))
            _call(builder, name, [lock, *map(ir.IntType(32), flags)])
            return context.get_dummy_value()

        return types.void(_COUNTER), codegen

    typed.__name__ = name
    return intrinsic(typed)


# Python's own locks, which any thread may take and any other give back, and which need no GIL.
wait = _with_lock("PyThread_acquire_lock", 1)
wake = _with_lock("PyThread_release_lock")


@intrinsic
def put_address(_: Any, p: Any, address: Any) -> Any:
    """Set p[0] to an address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], builder.bitcast(args[0], BYTES.as_pointer()))
        return context.get_dummy_value()

    return types.void(_COUNTER, types.voidptr), codegen


@intrinsic
def address_at(_: Any, p: Any) -> Any:
    """Return the address that is p[0]."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(builder.bitcast(args[0], BYTES.as_pointer()))

    return types.voidptr(_COUNTER), codegen


@intrinsic
def number(_: Any, address: Any) -> Any:
    """Return an address as the number that it stands for."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], I64)

    return types.int64(types.voidptr), codegen
