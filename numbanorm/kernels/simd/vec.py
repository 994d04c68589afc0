"""Arithmetic on vectors, so that speed and bits don't hang on the auto-vectoriser.

A `Vec` is 64 bytes of float32 (16 lanes) or float64 (8 lanes), or the "wide" float64 vector with as
many lanes as x's own vector has, in which all sums are held. LLVM splits a vector into what the CPU
has, so one source serves AVX2 and AVX-512, with the same lanes and thus the same bits.
"""

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

from numbanorm.kernels.simd.storage import compute_type, joined_type, members, parts

VECTOR_BITS = 512
I32, I64 = ir.IntType(32), ir.IntType(64)


class Vec(types.Type):
    """The Numba type of a vector: an element type and a number of lanes."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"vec({dtype} x {lanes})")


def lanes_of(dtype: Any) -> int:
    """Return how many elements of this dtype are computed with in one vector."""
    return VECTOR_BITS // int(compute_type(dtype).bitwidth)


def native(dtype: Any) -> Vec:
    """Return the type of the vectors that elements of a dtype are computed with."""
    return Vec(compute_type(dtype), lanes_of(dtype))


def wide(dtype: Any) -> Vec:
    """Return the float64 vector type with as many lanes as `native(dtype)`."""
    return Vec(types.float64, lanes_of(dtype))


# What vectors are computed with: other dtypes are stored only (`storage`).
_COMPUTED = {types.float32: ir.FloatType(), types.float64: ir.DoubleType()}


def llvm_type(v: Vec) -> Any:
    """Return the LLVM type of a vector."""
    return ir.VectorType(_COMPUTED[v.dtype], v.lanes)


def few_registers() -> bool:
    """Return whether a processor's registers hold two sets of sums and little else.

    With AVX-512 there are 32 of a vector each, else 16 of half a vector, or what amounts to that.
    """
    features = cpu_target.target_context.codegen()._tm_features.split(",")
    return "+avx512f" not in features


@register_model(Vec)
class VecModel(models.PrimitiveModel):
    """A vector is one LLVM value, kept in registers."""

    def __init__(self, dmm: Any, fe_type: Vec) -> None:
        super().__init__(dmm, fe_type, llvm_type(fe_type))


def call(builder: Any, name: str, result: Any, args: list[Any]) -> Any:
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def suffix(v: Vec) -> str:
    return f"v{v.lanes}f{v.dtype.bitwidth}"


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    one = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    one = builder.insert_element(one, scalar, I32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def lanes_between(builder: Any, start: Any, stop: Any, lanes: int) -> Any:
    iota = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
    below = builder.icmp_signed("<", iota, _splat(builder, stop, lanes))
    if start is None:
        return below
    return builder.and_(below, builder.icmp_signed(">=", iota, _splat(builder, start, lanes)))


@intrinsic
def splat(_: Any, scalar: Any) -> Any:
    """Return a vector whose lanes all hold the scalar, or a tuple of them for a tuple."""
    result = joined_type(scalar, [native(kind) for kind in members(scalar)])

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        found = [_splat(builder, v, lanes_of(k)) for k, v in parts(builder, scalar, args[0])]
        if not isinstance(scalar, types.BaseTuple):
            return found[0]
        return context.make_tuple(builder, result, found)

    return result(scalar), codegen


@intrinsic
def splat_wide(_: Any, scalar: Any, like: Any) -> Any:
    """Return a wide vector whose lanes all hold the float64 scalar."""
    v = wide(members(like)[0].dtype)
    typed = v(types.float64, like)
    return typed, lambda context, builder, sig, args: _splat(builder, args[0], v.lanes)


@intrinsic
def widen(_: Any, v: Any) -> Any:
    """Return the vector in float64."""
    w = Vec(types.float64, v.lanes)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0] if v.dtype == types.float64 else builder.fpext(args[0], llvm_type(w))

    return w(v), codegen


@intrinsic
def narrow(_: Any, v: Any, like: Any) -> Any:
    """Return a wide vector rounded to what is computed with where `like` points to."""
    w = Vec(compute_type(like.dtype), v.lanes)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0] if v == w else builder.fptrunc(args[0], llvm_type(w))

    return w(v, like), codegen


@intrinsic
def root(_: Any, v: Any) -> Any:
    """Return the square root of each lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, f"llvm.sqrt.{suffix(v)}", llvm_type(v), list(args))

    return v(v), codegen


@intrinsic
def counted(_: Any, like: Any) -> Any:
    """Return a wide vector of 0, 1, 2 and so on."""
    v = wide(like.dtype)
    numbers = ir.Constant(llvm_type(v), [float(k) for k in range(v.lanes)])
    return v(like), lambda context, builder, sig, args: numbers


@intrinsic
def fma(_: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x*y + z, rounded once."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, f"llvm.fma.{suffix(x)}", llvm_type(x), list(args))

    return x(x, y, z), codegen


def reduced(builder: Any, v: Any, combine: Any) -> Any:
    """Generate what ``combine(a, b)`` makes of all lanes: halves first, the same on every CPU."""
    n = v.type.count
    while n > 1:
        n //= 2
        mask = ir.VectorType(I32, n)
        low = builder.shuffle_vector(v, v, ir.Constant(mask, list(range(n))))
        high = builder.shuffle_vector(v, v, ir.Constant(mask, list(range(n, 2 * n))))
        v = combine(low, high)
    return builder.extract_element(v, I32(0))


def _total(builder: Any, v: Any) -> Any:
    return reduced(builder, v, builder.fadd)


@intrinsic
def total(_: Any, v: Any) -> Any:
    """Return the sum of the lanes, by `reduced`."""
    return v.dtype(v), lambda context, builder, sig, args: _total(builder, args[0])


@intrinsic
def totals(_: Any, first: Any, second: Any) -> Any:
    """Return a tuple of float64s: the sum of all lanes of each vector of two tuples."""
    result = types.UniTuple(types.float64, first.count)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = zip(*(parts(builder, first, value) for value in args), strict=True)
        found = [_total(builder, builder.fadd(a, b)) for (_, a), (_, b) in pairs]
        return context.make_tuple(builder, result, found)

    return result(first, first), codegen


def _arithmetic(op: Any, instruction: str) -> None:
    @type_callable(op)
    def _typer(context: Any) -> Any:
        return lambda x, y: x if isinstance(x, Vec) and x == y else None

    @lower_builtin(op, Vec, Vec)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, instruction)(*args)


_arithmetic(operator.add, "fadd")
_arithmetic(operator.sub, "fsub")
_arithmetic(operator.mul, "fmul")
_arithmetic(operator.truediv, "fdiv")
