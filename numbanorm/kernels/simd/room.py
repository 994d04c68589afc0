"""Memory to work in, on the stack or not, seen as what stands in it; copies as they are."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.pointers import BYTES, I64
from numbanorm.kernels.simd.storage import compute_type


def on_stack(builder: Any, kind: Any) -> Any:
    """Return the address of memory, on a cache line, that lives until the function returns.

    It is not initialised. Numba's own helper fills it with zeros at each call: 24 kB of them took a
    third of a small call.
    """
    with builder.goto_entry_block():
        room = builder.alloca(kind)
        room.align = 64
    return room


@intrinsic(prefer_literal=True)
def stack_doubles(_: Any, count: Any) -> Any:
    """Return a pointer to `count` (a literal) float64s, not initialised, on the stack."""
    kind = ir.ArrayType(ir.DoubleType(), count.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(on_stack(builder, kind), ir.DoubleType().as_pointer())

    return types.CPointer(types.float64)(count), codegen


@intrinsic(prefer_literal=True)
def stack_like(_: Any, count: Any, like: Any) -> Any:
    """Return like `stack_doubles`, for `count` elements of what a pointer points to."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element = args[1].type.pointee
        room = on_stack(builder, ir.ArrayType(element, count.literal_value))
        return builder.bitcast(room, element.as_pointer())

    return like(count, like), codegen


@intrinsic(prefer_literal=True)
def stack_computed(_: Any, count: Any, like: Any) -> Any:
    """Return like `stack_doubles`, for `count` of what is computed with elements at a pointer."""
    kind = compute_type(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        element = context.get_value_type(kind)
        room = on_stack(builder, ir.ArrayType(element, count.literal_value))
        return builder.bitcast(room, element.as_pointer())

    return types.CPointer(kind)(count, like), codegen


@intrinsic
def allocate(_: Any, count: Any) -> Any:
    """Return room for `count` float64s on a cache line, not initialised; null if there is none."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        size = builder.add(builder.mul(args[0], I64(8)), I64(64))
        malloc = ir.FunctionType(BYTES, [I64])
        malloc = cgutils.get_or_insert_function(builder.module, malloc, "malloc")
        block = builder.call(malloc, [size])
        # malloc's blocks are aligned to 16 bytes, so there is room for its address before the line.
        behind = builder.and_(builder.ptrtoint(block, I64), I64(63))
        line = builder.gep(block, [builder.sub(I64(64), behind)])
        room = builder.bitcast(line, ir.DoubleType().as_pointer())
        none = builder.icmp_unsigned("==", block, ir.Constant(BYTES, None))
        with builder.if_then(builder.not_(none)):
            kept = builder.bitcast(line, BYTES.as_pointer())
            builder.store(block, builder.gep(kept, [I64(-1)]))
        return builder.select(none, ir.Constant(room.type, None), room)

    return types.CPointer(types.float64)(types.int64), codegen


@intrinsic
def release(_: Any, room: Any) -> Any:
    """Give back what `allocate` returned, unless it is null."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        free = ir.FunctionType(ir.VoidType(), [BYTES])
        free = cgutils.get_or_insert_function(builder.module, free, "free")
        none = builder.icmp_unsigned("==", args[0], ir.Constant(args[0].type, None))
        with builder.if_then(builder.not_(none)):
            kept = builder.bitcast(args[0], BYTES.as_pointer())
            builder.call(free, [builder.load(builder.gep(kept, [I64(-1)]))])
        return context.get_dummy_value()

    return types.void(room), codegen


@intrinsic
def as_integers(_: Any, room: Any) -> Any:
    """Return room, as a pointer to int64s."""
    typed = types.CPointer(types.int64)(room)
    return typed, lambda context, builder, sig, args: builder.bitcast(args[0], I64.as_pointer())


@intrinsic
def as_doubles(_: Any, room: Any) -> Any:
    """Return room, as a pointer to float64s."""
    double = ir.DoubleType().as_pointer()
    typed = types.CPointer(types.float64)(room)
    return typed, lambda context, builder, sig, args: builder.bitcast(args[0], double)


@intrinsic
def as_like(_: Any, room: Any, like: Any) -> Any:
    """Return room, as a pointer like another one."""
    typed = like(room, like)
    return typed, lambda context, builder, sig, args: builder.bitcast(args[0], args[1].type)


@intrinsic
def copy_elements(_: Any, to: Any, x: Any, count: Any) -> Any:
    """Copy so many elements as they are."""
    size = int(x.dtype.bitwidth) // 8

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        where, source, number = args
        cgutils.raw_memcpy(builder, where, source, number, size)
        return context.get_dummy_value()

    return types.void(to, x, types.int64), codegen


@intrinsic
def copy_element(_: Any, to: Any, i: Any, x: Any, j: Any) -> Any:
    """Copy x[j] to to[i] as it is."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        where, i, source, j = args
        builder.store(builder.load(builder.gep(source, [j])), builder.gep(where, [i]))
        return context.get_dummy_value()

    return types.void(to, types.int64, x, types.int64), codegen


@intrinsic
def as_computed(_: Any, room: Any, like: Any) -> Any:
    """Return room, as a pointer to what is computed with elements at a pointer."""
    kind = compute_type(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(kind).as_pointer())

    return types.CPointer(kind)(room, like), codegen
