"""Sums: float64 vectors of as many lanes as the vectors that are added to them, and in memory."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from numbanorm.kernels.simd.memory import each, in_memory
from numbanorm.kernels.simd.sixteen import Sixteen
from numbanorm.kernels.simd.storage import STORAGE, bytes_of, joined_type, members, parts
from numbanorm.kernels.simd.vec import Vec, lanes_of, llvm_type, native, wide


def _load_sum(builder: Any, p: Any, dtype: Any, lanes: int) -> Any:
    kind, _ = in_memory(dtype, lanes)
    value = builder.load(builder.bitcast(p, kind.as_pointer()))
    value.align = bytes_of(dtype)
    value = STORAGE[dtype].loaded(builder, value)
    wanted = llvm_type(Vec(types.float64, lanes))
    return value if value.type == wanted else builder.fpext(value, wanted)


@intrinsic
def load_sum(_: Any, sums: Any, like: Any) -> Any:
    """Return as many numbers at `sums`, in float64, as a vector at `like`, or it, has lanes."""
    count = members(like)[0]
    result = joined_type(sums, [wide(count.dtype)] * len(members(sums)))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def one(address: Any, dtype: Any) -> Any:
            return _load_sum(builder, address, dtype, lanes_of(count.dtype))

        return each(builder, sig, args[0], one, context)

    return result(sums, like), codegen


@intrinsic
def no_sum(_: Any, like: Any) -> Any:
    """Return a wide vector of zeros, as many lanes as a vector at `like` has."""
    v = wide(members(like)[0].dtype)
    return v(like), lambda context, builder, sig, args: ir.Constant(llvm_type(v), None)


@intrinsic
def no_vector(_: Any, like: Any) -> Any:
    """Return a vector of zeros, of what is computed with elements at `like`."""
    v = native(members(like)[0].dtype)
    return v(like), lambda context, builder, sig, args: ir.Constant(llvm_type(v), None)


@intrinsic
def stretch(_: Any, sums: Any, like: Any) -> Any:
    """Return zeros, of what is computed with, if floats of 16 bits are at `like`; else the sums."""
    dtype = members(like)[0].dtype
    if not isinstance(dtype, Sixteen):
        return sums(sums, like), lambda context, builder, sig, args: args[0]
    v = native(dtype)
    result = types.UniTuple(v, len(members(sums)))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return context.make_tuple(builder, result, [ir.Constant(llvm_type(v), None)] * result.count)

    return result(sums, like), codegen


@intrinsic
def like_sum(_: Any, v: Any, total: Any) -> Any:
    """Return a vector as what it is to be added to: as it is, or in float64."""
    if v == total:
        return v(v, total), lambda context, builder, sig, args: args[0]
    return total(v, total), lambda context, builder, sig, args: builder.fpext(
        args[0], llvm_type(total)
    )


@intrinsic
def added(_: Any, sums: Any, found: Any) -> Any:
    """Return the sums with those of a `stretch`, which may be what the sums have become."""
    if sums == found:
        return found(sums, found), lambda context, builder, sig, args: args[1]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = zip(parts(builder, sums, args[0]), parts(builder, found, args[1]), strict=True)
        result = [
            builder.fadd(before, builder.fpext(more, before.type))
            for (_, before), (_, more) in pairs
        ]
        return context.make_tuple(builder, sums, result)

    return sums(sums, found), codegen


@intrinsic
def no_sums(_: Any, sums: Any, like: Any) -> Any:
    """Return a tuple of such vectors, one for each of a tuple."""
    v = wide(members(like)[0].dtype)
    result = types.UniTuple(v, len(members(sums)))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zeros = [ir.Constant(llvm_type(v), None)] * result.count
        return context.make_tuple(builder, result, zeros)

    return result(sums, like), codegen
