"""Floats of 16 bits: stored only, and computed with in float32.

Numba has no arrays of them, and LLVM calls a function that is not there where a processor has no
instruction for them. They are integers here, converted by instructions where there are some, else
by arithmetic, with the same results. Rounding is to the nearest, ties to even, beyond the largest
to infinity; NaN stays NaN.
"""

import platform
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.registry import cpu_target
from numba.extending import models, register_model

I16, I32 = ir.IntType(16), ir.IntType(32)


class Sixteen(types.Type):
    """The Numba type of such a float in memory."""

    bitwidth = 16


float16, bfloat16 = Sixteen("float16"), Sixteen("bfloat16")

# As what such arrays are handed to compiled code: bytes, of dtypes that nothing else there has.
HANDED_OVER = {types.int8: float16, types.boolean: bfloat16}


@register_model(Sixteen)
class SixteenModel(models.PrimitiveModel):
    """16 bits."""

    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, I16)


def _like(value: Any, scalar: Any) -> Any:
    """Return the LLVM type of a scalar or, where the value is one, of a vector of as many lanes."""
    lanes = getattr(value.type, "count", None)
    return scalar if lanes is None else ir.VectorType(scalar, lanes)


def _constant(value: Any, number: Any) -> Any:
    """Return a number of the value's type, in all lanes."""
    lanes = getattr(value.type, "count", None)
    return ir.Constant(value.type, number if lanes is None else [number] * lanes)


def _has_instructions() -> bool:
    """Return whether what is compiled for converts float16 by instructions."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return True
    return "+f16c" in cpu_target.target_context.codegen()._tm_features.split(",")


def _bits(builder: Any, value: Any) -> Any:
    return builder.bitcast(value, _like(value, I32))


def from_float16(builder: Any, value: Any) -> Any:
    """Generate the float32 of float16's bits, a scalar's or a vector's."""
    single = _like(value, ir.FloatType())
    if _has_instructions():
        return builder.fpext(builder.bitcast(value, _like(value, ir.HalfType())), single)
    wide = builder.zext(value, _like(value, I32))
    sign = builder.shl(builder.and_(wide, _constant(wide, 0x8000)), _constant(wide, 16))
    rest = builder.shl(builder.and_(wide, _constant(wide, 0x7FFF)), _constant(wide, 13))
    # Brings exponents, subnormals' too, from float16's place to float32's.
    scaled = builder.bitcast(rest, single)
    scaled = _bits(builder, builder.fmul(scaled, _constant(scaled, 2.0**112)))
    special = builder.icmp_unsigned(">=", rest, _constant(rest, 0x7C00 << 13))
    found = builder.select(special, builder.or_(rest, _constant(rest, 0x7F800000)), scaled)
    return builder.bitcast(builder.or_(found, sign), single)


def to_float16(builder: Any, value: Any) -> Any:
    """Generate float16's bits of a float32, rounded."""
    short = _like(value, I16)
    if _has_instructions():
        return builder.bitcast(builder.fptrunc(value, _like(value, ir.HalfType())), short)
    bits = _bits(builder, value)
    size = builder.and_(bits, _constant(bits, 0x7FFFFFFF))
    sign = builder.lshr(builder.xor(bits, size), _constant(bits, 16))
    odd = builder.and_(builder.lshr(size, _constant(bits, 13)), _constant(bits, 1))
    # The exponent moves by 112; half a unit, less one where the last digit is even, rounds.
    normal = builder.add(builder.sub(size, _constant(bits, (112 << 23) - 0xFFF)), odd)
    normal = builder.lshr(normal, _constant(bits, 13))
    # Added to 1/2, whose unit is the least subnormal, a small number is rounded to that.
    half = builder.bitcast(size, value.type)
    small = _bits(builder, builder.fadd(half, _constant(half, 0.5)))
    small = builder.sub(small, _constant(bits, 0x3F000000))
    found = builder.select(
        builder.icmp_unsigned("<", size, _constant(bits, 0x38800000)), small, normal
    )
    huge = builder.icmp_unsigned(">=", size, _constant(bits, 0x47800000))
    found = builder.select(huge, _constant(bits, 0x7C00), found)
    nan = builder.icmp_unsigned(">", size, _constant(bits, 0x7F800000))
    found = builder.select(nan, _constant(bits, 0x7E00), found)
    return builder.trunc(builder.or_(found, sign), short)


def from_bfloat16(builder: Any, value: Any) -> Any:
    """Generate the float32 of bfloat16's bits: its upper half."""
    wide = builder.zext(value, _like(value, I32))
    return builder.bitcast(builder.shl(wide, _constant(wide, 16)), _like(value, ir.FloatType()))


def to_bfloat16(builder: Any, value: Any) -> Any:
    """Generate bfloat16's bits of a float32, rounded; a NaN loses digits only, and is quiet."""
    bits = _bits(builder, value)
    odd = builder.and_(builder.lshr(bits, _constant(bits, 16)), _constant(bits, 1))
    found = builder.add(bits, builder.add(odd, _constant(bits, 0x7FFF)))
    quiet = builder.or_(bits, _constant(bits, 0x400000))
    found = builder.select(builder.fcmp_ordered("ord", value, value), found, quiet)
    return builder.trunc(builder.lshr(found, _constant(bits, 16)), _like(value, I16))


def to_odd(builder: Any, value: Any) -> Any:
    """Generate the float32 of a float64 scalar, by which to round once more is to round once.

    Where it is not exact its last digit is odd: it lies between any two numbers of fewer digits,
    and on the side of the middle where the float64 is (Boldo and Melquiond, "Emulation of FMA and
    correctly rounded sums: proved algorithms using rounding to odd", 2008).
    """
    single = ir.FloatType()
    near = builder.fptrunc(value, single)
    back, bits = builder.fpext(near, value.type), builder.bitcast(near, I32)
    even = builder.icmp_unsigned("==", builder.and_(bits, I32(1)), I32(0))
    moves = builder.and_(builder.fcmp_ordered("one", back, value), even)
    # The other neighbour is nearer to zero where `near` is further from it than the value.
    away = builder.select(
        builder.icmp_signed("<", bits, I32(0)),
        builder.fcmp_ordered("<", back, value),
        builder.fcmp_ordered(">", back, value),
    )
    other = builder.add(bits, builder.select(away, I32(-1), I32(1)))
    return builder.bitcast(builder.select(moves, other, bits), single)
