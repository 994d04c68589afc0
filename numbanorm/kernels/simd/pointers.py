"""Typed pointers and the scalars behind them: what the kernels index instead of arrays.

An array index may be negative, and testing for that stops LLVM from vectorising; a `CPointer` moved
on by `at` has no such test, and is what a C caller passes. All scalar arithmetic is float64.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.handed import Handed, count, data
from numbanorm.kernels.simd.sixteen import HANDED_OVER
from numbanorm.kernels.simd.storage import (
    compute_type,
    load_element,
    parts,
    store_element,
)

I64 = ir.IntType(64)
BYTES = ir.IntType(8).as_pointer()


def _pointer(context: Any, builder: Any, kind: Any, data: Any) -> Any:
    """Return an array's address as a pointer of a type."""
    return builder.bitcast(data, context.get_value_type(kind))


def _memory(context: Any, builder: Any, array: Any, value: Any) -> tuple[Any, Any]:
    """Return an array's address and how many elements it has."""
    if isinstance(array, Handed):
        return data(builder, value), count(builder, value)
    struct = cgutils.create_struct_proxy(array)(context, builder, value)
    return struct.data, struct.nitems


def _pointer_type(array: Any) -> Any:
    """Return the type of pointers to an array's elements."""
    return types.CPointer(HANDED_OVER.get(array.dtype, array.dtype))


@intrinsic
def pointer(_: Any, array: Any) -> Any:
    """Return a typed pointer to an array's first element; a pointer is returned as it is."""
    if isinstance(array, types.CPointer):
        return array(array), lambda context, builder, sig, args: args[0]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        found, _ = _memory(context, builder, array, args[0])
        return _pointer(context, builder, sig.return_type, found)

    return _pointer_type(array)(array), codegen


@intrinsic
def optional(_: Any, array: Any) -> Any:
    """Return like `pointer`, but null for an empty array: how Python says that there is none."""
    if isinstance(array, types.CPointer):
        return array(array), lambda context, builder, sig, args: args[0]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        found, size = _memory(context, builder, array, args[0])
        found = _pointer(context, builder, sig.return_type, found)
        empty = builder.icmp_unsigned("==", size, I64(0))
        return builder.select(empty, ir.Constant(found.type, None), found)

    return _pointer_type(array)(array), codegen


@intrinsic
def elements(_: Any, array: Any) -> Any:
    """Return how many elements an array has."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _memory(context, builder, array, args[0])[1]

    return types.int64(array), codegen


@intrinsic
def address(_: Any, p: Any) -> Any:
    """Return a pointer as an integer, to be compared or kept."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], I64)

    return types.int64(p), codegen


@intrinsic
def pointer_in(_: Any, table: Any, i: Any, like: Any) -> Any:
    """Return the address in table[i], an int64, as a pointer like another one."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = builder.gep(args[0], [args[1]])
        return builder.load(builder.bitcast(place, args[2].type.as_pointer()))

    return like(table, types.int64, like), codegen


@intrinsic
def integer_in(_: Any, table: Any, i: Any) -> Any:
    """Return table[i] of int64s."""
    typed = types.int64(table, types.int64)
    return typed, lambda context, builder, sig, args: builder.load(builder.gep(args[0], [args[1]]))


@intrinsic
def put_integer(_: Any, table: Any, i: Any, value: Any) -> Any:
    """Set table[i] of int64s."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], builder.gep(args[0], [args[1]]))
        return context.get_dummy_value()

    return types.void(table, types.int64, types.int64), codegen


@intrinsic
def is_null(_: Any, p: Any) -> Any:
    """Return whether a pointer is null."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        null = builder.icmp_unsigned("==", args[0], ir.Constant(args[0].type, None))
        return context.cast(builder, null, types.boolean, sig.return_type)

    return types.boolean(p), codegen


@intrinsic
def at(_: Any, p: Any, i: Any) -> Any:
    """Return the pointer i elements on, or a tuple of pointers each so far on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        moved = [builder.gep(one, [args[1]]) for _, one in parts(builder, p, args[0])]
        return context.make_tuple(builder, p, moved) if isinstance(p, types.BaseTuple) else moved[0]

    return p(p, types.int64), codegen


@intrinsic
def at_if(_: Any, p: Any, i: Any) -> Any:
    """Return the pointer i elements on, or null if it is null."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        moved = builder.gep(args[0], [args[1]])
        return builder.select(cgutils.is_null(builder, args[0]), args[0], moved)

    return p(p, types.int64), codegen


@intrinsic
def get(_: Any, p: Any, i: Any) -> Any:
    """Return p[i] as a float64 (float32 to float64 is exact)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return load_element(context, builder, builder.gep(args[0], [args[1]]), p.dtype)

    return types.float64(p, types.int64), codegen


@intrinsic
def put(_: Any, p: Any, i: Any, value: Any) -> Any:
    """Set p[i], rounding a float64 to what p points to."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        store_element(context, builder, args[2], builder.gep(args[0], [args[1]]), p.dtype)
        return context.get_dummy_value()

    return types.void(p, types.int64, types.float64), codegen


@intrinsic
def rounded(_: Any, p: Any, value: Any) -> Any:
    """Return a float64 rounded to what is computed with elements at p."""
    kind = compute_type(p.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.cast(builder, args[1], types.float64, kind)

    return kind(p, types.float64), codegen


@intrinsic
def surely(_: Any, p: Any) -> Any:
    """Return a pointer that the caller knows not to be null: loops then need not test for that."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(1)])
        assume = cgutils.get_or_insert_function(builder.module, kind, "llvm.assume")
        builder.call(assume, [cgutils.is_not_null(builder, args[0])])
        return args[0]

    return p(p), codegen


@intrinsic
def fetch_add(_: Any, p: Any, step: Any) -> Any:
    """Add to an int64 shared by threads and return what it was before."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", args[0], args[1], "monotonic")

    return types.int64(p, types.int64), codegen


@intrinsic
def magnitude(_: Any, value: Any) -> Any:
    """Return the largest power of two not above |value|; inf for inf and NaN, 0 for subnormals."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        exponent = builder.and_(builder.bitcast(args[0], I64), I64(0x7FF0000000000000))
        return builder.bitcast(exponent, ir.DoubleType())

    return types.float64(types.float64), codegen


@intrinsic
def null(_: Any, like: Any) -> Any:
    """Return the null pointer of a pointer's type: no weight, no bias."""
    return like(like), lambda context, builder, sig, args: ir.Constant(args[0].type, None)
