"""Lanes compared, and chosen by what was found or by where they are."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.vec import I64, call, lanes_between, llvm_type, reduced, suffix


@intrinsic
def all_above(_: Any, v: Any, w: Any) -> Any:
    """Return whether each lane of v is above that of w; not so where either is NaN."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        above = builder.fcmp_ordered(">", *args)
        bits = builder.bitcast(above, ir.IntType(v.lanes))
        return builder.icmp_unsigned("==", bits, ir.Constant(bits.type, -1))

    return types.boolean(v, v), codegen


@intrinsic
def or_zero(_: Any, v: Any, limit: Any) -> Any:
    """Return those lanes of v whose size is not above that of the limit's, and 0 for others."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        size, most = (
            call(builder, f"llvm.fabs.{suffix(v)}", llvm_type(v), [value]) for value in args
        )
        within = builder.fcmp_ordered("<=", size, most)
        return builder.select(within, args[0], ir.Constant(llvm_type(v), None))

    return v(v, v), codegen


@intrinsic
def magnitudes(_: Any, v: Any) -> Any:
    """Return `pointers.magnitude` of each lane of a wide vector."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = ir.VectorType(I64, v.lanes)
        mask = ir.Constant(bits, [0x7FF0000000000000] * v.lanes)
        exponents = builder.and_(builder.bitcast(args[0], bits), mask)
        return builder.bitcast(exponents, llvm_type(v))

    return v(v), codegen


@intrinsic
def keep(_: Any, v: Any, part: Any) -> Any:
    """Return the vector with all lanes that are not of a part, which begins at 0, set to zero.

    `part` is (0, stop), or None for the whole vector.
    """
    if isinstance(part, types.NoneType):
        return v(v, part), lambda context, builder, sig, args: args[0]

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, stop = cgutils.unpack_tuple(builder, args[1])
        mask = lanes_between(builder, None, stop, v.lanes)
        return builder.select(mask, args[0], ir.Constant(llvm_type(v), None))

    return v(v, part), codegen


def _choose(name: str, sign: str, which: str) -> Any:
    """Return an intrinsic ``(v, w, part)``: of each lane the one of v or w that compares so.

    A NaN in w is passed over, and so are lanes of w that are not of a part; see `keep`.
    """

    def typed(_: Any, v: Any, w: Any, part: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            chosen = builder.fcmp_ordered(sign, args[1], args[0])
            if not isinstance(part, types.NoneType):
                _, stop = cgutils.unpack_tuple(builder, args[2])
                chosen = builder.and_(chosen, lanes_between(builder, None, stop, v.lanes))
            return builder.select(chosen, args[1], args[0])

        return v(v, v, part), codegen

    typed.__name__, typed.__doc__ = name, f"Return the {which} of each lane of v and w."
    return intrinsic(typed)


lesser = _choose("lesser", "<", "lesser")
greater = _choose("greater", ">", "greater")


def _extreme(name: str, sign: str, which: str) -> Any:
    """Return an intrinsic ``(v)``: the lane that compares so with all others, none being NaN."""

    def typed(_: Any, v: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            def chosen(a: Any, b: Any) -> Any:
                return builder.select(builder.fcmp_ordered(sign, b, a), b, a)

            return reduced(builder, args[0], chosen)

        return v.dtype(v), codegen

    typed.__name__, typed.__doc__ = name, f"Return the {which} of the lanes of v."
    return intrinsic(typed)


least = _extreme("least", "<", "least")
greatest = _extreme("greatest", ">", "greatest")


@intrinsic
def fma_where(_: Any, x: Any, y: Any, z: Any) -> Any:
    """Return x*y + z where x is neither 0 nor NaN, and z elsewhere."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zero = ir.Constant(llvm_type(x), None)
        found = call(builder, f"llvm.fma.{suffix(x)}", llvm_type(x), list(args))
        return builder.select(builder.fcmp_ordered("one", args[0], zero), found, args[2])

    return x(x, x, x), codegen


@intrinsic
def same_bits(_: Any, v: Any, w: Any) -> Any:
    """Return whether v has the bits of w: zeros of either sign are two numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        whole = ir.IntType(v.lanes * v.dtype.bitwidth)
        return builder.icmp_unsigned("==", *(builder.bitcast(one, whole) for one in args))

    return types.boolean(v, v), codegen


@intrinsic
def join(_: Any, v: Any, w: Any, n: Any) -> Any:
    """Return the first n lanes of v and the others of w."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        mask = lanes_between(builder, None, args[2], v.lanes)
        return builder.select(mask, args[0], args[1])

    return v(v, v, types.int64), codegen
