"""Sums: float64 vectors of as many lanes as the vectors that are added to them, and in memory."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from numbanorm.kernels.simd.memory import each, in_memory
from numbanorm.kernels.simd.storage import STORAGE, bytes_of, joined_type, members
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
def no_sums(_: Any, sums: Any, like: Any) -> Any:
    """Return a tuple of such vectors, one for each of a tuple."""
    v = wide(members(like)[0].dtype)
    result = types.UniTuple(v, len(members(sums)))

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zeros = [ir.Constant(llvm_type(v), None)] * result.count
        return context.make_tuple(builder, result, zeros)

    return result(sums, like), codegen
