"""Vector operations on typed pointers, so that speed and bits don't hang on the auto-vectoriser.

A `Vec` is 64 bytes of float32 (16 lanes) or float64 (8 lanes), or the "wide" float64 vector with as
many lanes as x's own vector has, in which all sums are held. LLVM splits a vector into what the CPU
has, so one source serves AVX2 and AVX-512, with the same lanes and thus the same bits.

Memory is reached through typed pointers (`CPointer(float32)`, `CPointer(float64)`) and `at`, never
through array indices: an index may be negative, and testing for that stops LLVM.
"""

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

VECTOR_BITS = 512
I32, I64 = ir.IntType(32), ir.IntType(64)


class Vec(types.Type):
    """The Numba type of a vector: an element type and a number of lanes."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"vec({dtype} x {lanes})")


def lanes_of(dtype: Any) -> int:
    """Return how many elements of this Numba type one vector holds."""
    return VECTOR_BITS // int(dtype.bitwidth)


def native(dtype: Any) -> Vec:
    """Return the vector type of an array element type."""
    return Vec(dtype, lanes_of(dtype))


def wide(dtype: Any) -> Vec:
    """Return the float64 vector type with as many lanes as `native(dtype)`."""
    return Vec(types.float64, lanes_of(dtype))


def llvm_type(v: Vec) -> Any:
    """Return the LLVM type of a vector."""
    return ir.VectorType(ir.FloatType() if v.dtype == types.float32 else ir.DoubleType(), v.lanes)


@register_model(Vec)
class VecModel(models.PrimitiveModel):
    """A vector is one LLVM value, kept in registers."""

    def __init__(self, dmm: Any, fe_type: Vec) -> None:
        super().__init__(dmm, fe_type, llvm_type(fe_type))


def _call(builder: Any, name: str, result: Any, args: list[Any]) -> Any:
    kind = ir.FunctionType(result, [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _suffix(v: Vec) -> str:
    return f"v{v.lanes}f{v.dtype.bitwidth}"


def _vector_pointer(builder: Any, pointer: Any, v: Vec) -> Any:
    return builder.bitcast(pointer, llvm_type(v).as_pointer())


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    one = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    one = builder.insert_element(one, scalar, I32(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def _lanes_between(builder: Any, start: Any, stop: Any, lanes: int) -> Any:
    iota = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
    below = builder.icmp_signed("<", iota, _splat(builder, stop, lanes))
    if start is None:
        return below
    return builder.and_(below, builder.icmp_signed(">=", iota, _splat(builder, start, lanes)))


@intrinsic
def lanes(_: Any, p: Any) -> Any:
    """Return the number of elements in a vector of what p points to, as a constant."""
    count = lanes_of(p.dtype)
    return types.int64(p), lambda context, builder, sig, args: I64(count)


def _load(builder: Any, p: Any, v: Vec) -> Any:
    value = builder.load(_vector_pointer(builder, p, v))
    value.align = v.dtype.bitwidth // 8
    return value


@intrinsic
def load(_: Any, p: Any) -> Any:
    """Return the vector at p, which needs no alignment beyond its elements'."""
    v = native(p.dtype)
    return v(p), lambda context, builder, sig, args: _load(builder, args[0], v)


def _masked_load(builder: Any, p: Any, start: Any, stop: Any, v: Vec) -> Any:
    vector = llvm_type(v)
    mask = _lanes_between(builder, start, stop, v.lanes)
    zero = ir.Constant(vector, None)
    call = [_vector_pointer(builder, p, v), I32(v.dtype.bitwidth // 8), mask, zero]
    return _call(builder, f"llvm.masked.load.{_suffix(v)}.p0", vector, call)


@intrinsic
def load_first(_: Any, p: Any, n: Any) -> Any:
    """Return a vector of the n elements at p and zeros, reading nothing behind them."""
    v = native(p.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _masked_load(builder, args[0], None, args[1], v)

    return v(p, types.int64), codegen


@intrinsic
def load_lanes(_: Any, p: Any, start: Any, stop: Any) -> Any:
    """Return the lanes [start, stop) of the vector at p, and zeros, reading nothing else."""
    v = native(p.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _masked_load(builder, args[0], args[1], args[2], v)

    return v(p, types.int64, types.int64), codegen


@intrinsic
def store(_: Any, p: Any, v: Any) -> Any:
    """Write a vector at p."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[1], _vector_pointer(builder, args[0], v)).align = v.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(p, v), codegen


@intrinsic
def store_lanes(_: Any, p: Any, v: Any, start: Any, stop: Any) -> Any:
    """Write the lanes [start, stop) of a vector at p, touching nothing else."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        where, value, start, stop = args
        mask = _lanes_between(builder, start, stop, v.lanes)
        call = [value, _vector_pointer(builder, where, v), I32(v.dtype.bitwidth // 8), mask]
        _call(builder, f"llvm.masked.store.{_suffix(v)}.p0", ir.VoidType(), call)
        return context.get_dummy_value()

    return types.void(p, v, types.int64, types.int64), codegen


@intrinsic
def stream(_: Any, p: Any, v: Any) -> Any:
    """Write a vector at p, a multiple of 64, past the caches; `fence` when done."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        written = builder.store(args[1], _vector_pointer(builder, args[0], v))
        written.align = VECTOR_BITS // 8
        written.set_metadata("nontemporal", builder.module.add_metadata([I32(1)]))
        return context.get_dummy_value()

    return types.void(p, v), codegen


@intrinsic
def fence(_: Any) -> Any:
    """Make all earlier stores, streamed ones too, visible before any later one."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def prefetch(_: Any, p: Any) -> Any:
    """Ask for the cache line at p, which need not be a valid address, to read it."""
    return types.void(p), _prefetch(0)


@intrinsic
def prefetch_write(_: Any, p: Any) -> Any:
    """Ask for the cache line at p, which need not be a valid address, to write a part of it."""
    return types.void(p), _prefetch(1)


def _prefetch(write: int) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        where = builder.bitcast(args[0], ir.PointerType(ir.IntType(8)))
        _call(builder, "llvm.prefetch.p0", ir.VoidType(), [where, I32(write), I32(3), I32(1)])
        return context.get_dummy_value()

    return codegen


@intrinsic
def load_sum(_: Any, sums: Any, like: Any) -> Any:
    """Return as many elements at `sums`, in float64, as a vector at `like` has lanes."""
    v, w = Vec(sums.dtype, lanes_of(like.dtype)), wide(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = _load(builder, args[0], v)
        return value if v == w else builder.fpext(value, llvm_type(w))

    return w(sums, like), codegen


@intrinsic
def no_sum(_: Any, like: Any) -> Any:
    """Return a wide vector of zeros, as many lanes as a vector at `like` has."""
    v = wide(like.dtype)
    return v(like), lambda context, builder, sig, args: ir.Constant(llvm_type(v), None)


@intrinsic
def splat(_: Any, scalar: Any) -> Any:
    """Return a vector whose lanes all hold the scalar."""
    v = native(scalar)
    return v(scalar), lambda context, builder, sig, args: _splat(builder, args[0], v.lanes)


@intrinsic
def splat_wide(_: Any, scalar: Any, like: Any) -> Any:
    """Return a wide vector whose lanes all hold the float64 scalar."""
    v = wide(like.dtype)
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
    """Return a wide vector rounded to what `like` points to."""
    w = native(like.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return args[0] if v == w else builder.fptrunc(args[0], llvm_type(w))

    return w(v, like), codegen


@intrinsic
def root(_: Any, v: Any) -> Any:
    """Return the square root of each lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, f"llvm.sqrt.{_suffix(v)}", llvm_type(v), list(args))

    return v(v), codegen


@intrinsic
def all_above(_: Any, v: Any, w: Any) -> Any:
    """Return whether each lane of v is above that of w; not so where either is NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        above = builder.fcmp_ordered(">", *args)
        bits = builder.bitcast(above, ir.IntType(v.lanes))
        return builder.icmp_unsigned("==", bits, ir.Constant(bits.type, -1))

    return types.boolean(v, v), codegen


@intrinsic
def keep_first(_: Any, v: Any, n: Any) -> Any:
    """Return the vector with all lanes from n on set to zero."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        mask = _lanes_between(builder, None, args[1], v.lanes)
        return builder.select(mask, args[0], ir.Constant(llvm_type(v), None))

    return v(v, types.int64), codegen


@intrinsic
def join(_: Any, v: Any, w: Any, n: Any) -> Any:
    """Return the first n lanes of v and the others of w."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        mask = _lanes_between(builder, None, args[2], v.lanes)
        return builder.select(mask, args[0], args[1])

    return v(v, v, types.int64), codegen


@intrinsic
def fma(_: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x*y + z, rounded once."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, f"llvm.fma.{_suffix(x)}", llvm_type(x), list(args))

    return x(x, y, z), codegen


@intrinsic
def total(_: Any, v: Any) -> Any:
    """Return the sum of the lanes, halves first: the same order on every CPU."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        x, n = args[0], v.lanes
        while n > 1:
            n //= 2
            mask = ir.VectorType(I32, n)
            low = builder.shuffle_vector(x, x, ir.Constant(mask, list(range(n))))
            high = builder.shuffle_vector(x, x, ir.Constant(mask, list(range(n, 2 * n))))
            x = builder.fadd(low, high)
        return builder.extract_element(x, I32(0))

    return v.dtype(v), codegen


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
