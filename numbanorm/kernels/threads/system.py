"""What the system has for threads: to spin politely, to sleep and be woken, to begin and to end.

And what Python has: its lock, to be given back for a while. The locks on which threads sleep are
Python's too; any thread may take them and any other give them back, and they need no GIL.
"""

import os
import platform
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.pointers import BYTES, I64

I32 = ir.IntType(32)
_WORD = types.CPointer(types.int64)

# Where processes fork, and where threads must have ended before.
FORKS = hasattr(os, "fork")

# LLVM's names for it.
_PAUSES: dict[str, tuple[str, list[int]]] = {
    "x86_64": ("llvm.x86.sse2.pause", []),
    "amd64": ("llvm.x86.sse2.pause", []),
    "aarch64": ("llvm.aarch64.hint", [1]),
    "arm64": ("llvm.aarch64.hint", [1]),
}


def _call(builder: Any, name: str, given: list[Any], result: Any = None) -> Any:
    """Call a function of the process, or of LLVM, by its name."""
    kind = ir.FunctionType(result or ir.VoidType(), [value.type for value in given])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)


@intrinsic
def pause(_: Any) -> Any:
    """Tell the processor that the thread spins."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        name, flags = _PAUSES.get(platform.machine().lower(), ("", []))
        if name:
            _call(builder, name, [I32(flag) for flag in flags])
        return context.get_dummy_value()

    return types.void(), codegen


def _address(builder: Any, p: Any) -> Any:
    return builder.load(builder.bitcast(p, BYTES.as_pointer()))


@intrinsic
def wait(_: Any, p: Any) -> Any:
    """Sleep until the lock whose address is p[0] can be taken."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _call(builder, "PyThread_acquire_lock", [_address(builder, args[0]), I32(1)], I32)
        return context.get_dummy_value()

    return types.void(_WORD), codegen


@intrinsic
def wake(_: Any, p: Any) -> Any:
    """Give back the lock whose address is p[0]."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _call(builder, "PyThread_release_lock", [_address(builder, args[0])])
        return context.get_dummy_value()

    return types.void(_WORD), codegen


@intrinsic
def new_lock(_: Any) -> Any:
    """Return the address of a new lock, taken: who waits for it sleeps. 0 if there is none."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        lock = _call(builder, "PyThread_allocate_lock", [], BYTES)
        with builder.if_then(builder.icmp_unsigned("!=", lock, ir.Constant(BYTES, None))):
            _call(builder, "PyThread_acquire_lock", [lock, I32(0)], I32)
        return builder.ptrtoint(lock, I64)

    return types.int64(), codegen


@intrinsic
def begin(_: Any, p: Any, function: Any, number: Any) -> Any:
    """Start a thread that calls a function with a number; returns whether there is one.

    What `end` needs to wait for it is put at p.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        handle, function, number = args
        given = [builder.inttoptr(value, BYTES) for value in (function, number)]
        if FORKS:
            none = ir.Constant(BYTES, None)
            failed = _call(builder, "pthread_create", [handle, none, *given], I32)
            return builder.icmp_signed("==", failed, I32(0))
        # Windows: threads end with the process.
        made = _call(builder, "PyThread_start_new_thread", given, I32)
        return builder.icmp_signed("!=", made, I32(-1))

    return types.boolean(_WORD, types.int64, types.int64), codegen


@intrinsic
def end(_: Any, p: Any) -> Any:
    """Wait until the thread has ended whose handle is p[0]."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if FORKS:
            none = ir.Constant(BYTES, None)
            _call(builder, "pthread_join", [builder.load(args[0]), none], I32)
        return context.get_dummy_value()

    return types.void(_WORD), codegen


@intrinsic
def give_gil_back(_: Any) -> Any:
    """Let other Python threads run; returns what `take_gil_again` needs."""
    return types.voidptr(), lambda context, builder, sig, args: _call(
        builder, "PyEval_SaveThread", [], BYTES
    )


@intrinsic
def take_gil_again(_: Any, state: Any) -> Any:
    """Wait until this thread is the Python thread that runs."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _call(builder, "PyEval_RestoreThread", [args[0]])
        return context.get_dummy_value()

    return types.void(types.voidptr), codegen
