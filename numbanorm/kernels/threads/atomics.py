"""Memory that threads share: atomic operations, in one order for all threads."""

from typing import Any

from numba.core import types
from numba.extending import intrinsic

from numbanorm.kernels.simd.pointers import BYTES, I64

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
