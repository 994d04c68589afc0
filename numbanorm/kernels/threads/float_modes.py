"""The floating-point modes of a thread: how it rounds, and whether subnormal numbers count as 0.

Any library may change them in the thread that calls us (`torch.set_flush_denormal`, whatever was
linked with -ffast-math), and a thread inherits those of the one that made it. Compiled operations
work in the default modes, so that their results depend on neither, and put the caller's back.
"""

import platform
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.pointers import BYTES, I64

_MACHINE = platform.machine().lower()

# MXCSR: every exception masked, rounding to nearest, subnormals kept. Its low bits say what has
# happened, and are left alone.
_MXCSR, _HAPPENED = 0x1F80, 0x3F


def _x86(builder: Any) -> tuple[Any, Any]:
    """Return the modes, and a function that sets them."""
    slot = cgutils.alloca_once(builder, ir.IntType(32))
    kind = ir.FunctionType(ir.VoidType(), [BYTES])

    def call(name: str) -> None:
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
        builder.call(function, [builder.bitcast(slot, BYTES)])

    def change(modes: Any) -> None:
        builder.store(builder.trunc(modes, slot.type.pointee), slot)
        call("ldmxcsr")

    call("stmxcsr")
    return builder.zext(builder.load(slot), I64), change


def _arm(builder: Any) -> tuple[Any, Any]:
    """Return like `_x86`."""

    def call(name: str, result: Any, given: list[Any]) -> Any:
        kind = ir.FunctionType(result, [one.type for one in given])
        name = f"llvm.aarch64.{name}.fpcr"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)

    return call("get", I64, []), lambda modes: call("set", ir.VoidType(), [modes])


_KNOWN: dict[str, tuple[Any, int, int]] = {
    "x86_64": (_x86, _MXCSR, _HAPPENED),
    "amd64": (_x86, _MXCSR, _HAPPENED),
    "aarch64": (_arm, 0, 0),
    "arm64": (_arm, 0, 0),
}


def enter(builder: Any) -> Any:
    """Generate the setting of the default modes; returns what they were, for `leave`."""
    if _MACHINE not in _KNOWN:
        return I64(0)
    access, default, ignored = _KNOWN[_MACHINE]
    modes, change = access(builder)
    # Setting them costs ten times what asking does.
    with builder.if_then(_others(builder, modes, default, ignored), likely=False):
        change(I64(default))
    return modes


def leave(builder: Any, before: Any) -> None:
    """Generate the setting of the modes to what they were."""
    if _MACHINE in _KNOWN:
        access, default, ignored = _KNOWN[_MACHINE]
        _, change = access(builder)
        with builder.if_then(_others(builder, before, default, ignored), likely=False):
            change(before)


def _others(builder: Any, modes: Any, default: int, ignored: int) -> Any:
    """Return whether modes are not the default."""
    return builder.icmp_unsigned("!=", builder.or_(modes, I64(ignored)), I64(default | ignored))


@intrinsic
def enter_default_modes(_: Any) -> Any:
    """Set the default modes; returns what they were, for `leave_default_modes`."""
    return types.int64(), lambda context, builder, sig, args: enter(builder)


@intrinsic
def leave_default_modes(_: Any, before: Any) -> Any:
    """Set this thread's modes back to what they were."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        leave(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def apart(typing: Any, function: Any, args: Any) -> Any:
    """Call a leaf with a tuple of arguments, not inlined: LLVM may move arithmetic, but not calls.

    It takes the modes to be the default, always.
    """
    called = function.get_call_type(typing, tuple(args), {})

    def codegen(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        values = [
            context.cast(builder, value, have, want)
            for value, have, want in zip(
                cgutils.unpack_tuple(builder, given[1]), sig.args[1], called.args, strict=True
            )
        ]
        _, result = call_leaf(context, builder, function, called, values, ("noinline",))
        return result

    return called.return_type(function, args), codegen


def call_leaf(
    context: Any, builder: Any, leaf: Any, called: Any, values: Any, attributes: Any = ()
) -> Any:
    """Generate the call of a leaf with values of its types; returns (status, result)."""
    compiled = leaf.dispatcher.get_compile_result(called)
    described = compiled.fndesc
    callee = context.declare_function(builder.module, described)
    context.add_linking_libs(compiled.library.with_all_called())
    return context.call_conv.call_function(
        builder, callee, described.restype, described.argtypes, values, attributes
    )
