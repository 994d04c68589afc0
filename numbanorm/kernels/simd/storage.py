"""What memory holds, and what is computed with: a row of `STORAGE` for each dtype of arrays.

Loads and stores convert between the two, for vectors and for scalars; nothing else needs to know
what an array's elements are. Sums are float64 whatever they are of.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.sixteen import (
    I16,
    Sixteen,
    bfloat16,
    float16,
    from_bfloat16,
    from_float16,
    to_bfloat16,
    to_float16,
    to_odd,
)

LINE_BYTES = 64


def _same(builder: Any, value: Any) -> Any:
    return value


def _integers(signed: bool) -> Callable[[Any, Any], Any]:
    """Return the conversion of integers of at most 16 bits, all of which float32 holds."""

    def loaded(builder: Any, value: Any) -> Any:
        lanes = getattr(value.type, "count", None)
        single = ir.FloatType() if lanes is None else ir.VectorType(ir.FloatType(), lanes)
        return (builder.sitofp if signed else builder.uitofp)(value, single)

    return loaded


def _read_only(builder: Any, value: Any) -> Any:
    raise TypeError("results must be floats")


class Storage(NamedTuple):
    """How one element is stored.

    Attributes
    ----------
    element : LLVM type
        What memory holds.
    compute : Numba type
        What is computed with, float32 or float64.
    loaded, stored : function
        ``(builder, value)``: generate the conversion, of a scalar or a vector, to and from
        `compute`.
    """

    element: Any
    compute: Any
    loaded: Callable[[Any, Any], Any] = _same
    stored: Callable[[Any, Any], Any] = _same


STORAGE = {
    types.float32: Storage(ir.FloatType(), types.float32),
    types.float64: Storage(ir.DoubleType(), types.float64),
    float16: Storage(I16, types.float32, from_float16, to_float16),
    bfloat16: Storage(I16, types.float32, from_bfloat16, to_bfloat16),
    types.uint8: Storage(ir.IntType(8), types.float32, _integers(signed=False), _read_only),
    types.uint16: Storage(I16, types.float32, _integers(signed=False), _read_only),
    types.int16: Storage(I16, types.float32, _integers(signed=True), _read_only),
}

# What norms may be of, and pixels besides.
FLOATS = types.float32, types.float64, float16, bfloat16
INTEGERS = types.uint8, types.uint16, types.int16


def compute_type(dtype: Any) -> Any:
    """Return the Numba type of what is computed with elements of a dtype."""
    return STORAGE[dtype].compute


def bytes_of(dtype: Any) -> int:
    """Return the size of an element in memory."""
    return int(dtype.bitwidth) // 8


def _constant(kind: Any, value: Callable[[Any], Any]) -> Any:
    """Return the typing of an intrinsic whose value a pointer's type tells."""

    def typed(_: Any, p: Any) -> Any:
        found = value(p.dtype)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return context.get_constant(kind, found)

        return kind(p), codegen

    return typed


def _info(dtype: Any) -> Any:
    return np.finfo(str(compute_type(dtype)))


@intrinsic
def itemsize(_: Any, p: Any) -> Any:
    """Return how many bytes an element at p takes."""
    return _constant(types.int64, bytes_of)(_, p)


@intrinsic
def line(_: Any, p: Any) -> Any:
    """Return how many elements at p fill a cache line."""
    return _constant(types.int64, lambda dtype: LINE_BYTES // bytes_of(dtype))(_, p)


@intrinsic
def spare_digits(_: Any, p: Any) -> Any:
    """Return whether float64 has digits to spare for sums of what is at p."""
    return _constant(types.boolean, lambda dtype: compute_type(dtype) != types.float64)(_, p)


@intrinsic
def is_integer(_: Any, p: Any) -> Any:
    """Return whether what is at p are integers."""
    return _constant(types.boolean, lambda dtype: dtype in INTEGERS)(_, p)


@intrinsic
def largest(_: Any, p: Any) -> Any:
    """Return the largest finite number that can be computed with what is at p."""
    return _constant(types.float64, lambda dtype: float(_info(dtype).max))(_, p)


@intrinsic
def unit(_: Any, p: Any) -> Any:
    """Return the distance from 1 to the next number that can be computed with what is at p."""
    return _constant(types.float64, lambda dtype: float(_info(dtype).eps))(_, p)


def load_element(context: Any, builder: Any, address: Any, dtype: Any) -> Any:
    """Generate the load of an element, as a float64."""
    value = STORAGE[dtype].loaded(builder, builder.load(address))
    return context.cast(builder, value, compute_type(dtype), types.float64)


def store_element(context: Any, builder: Any, value: Any, address: Any, dtype: Any) -> None:
    """Generate the store of a float64, rounded to an element."""
    if isinstance(dtype, Sixteen):
        value = to_odd(builder, value)
    else:
        value = context.cast(builder, value, types.float64, compute_type(dtype))
    builder.store(STORAGE[dtype].stored(builder, value), address)


def parts(builder: Any, kind: Any, value: Any) -> list[tuple[Any, Any]]:
    """Return the (type, value) of each member of a tuple, or of what is none itself."""
    if not isinstance(kind, types.BaseTuple):
        return [(kind, value)]
    return list(zip(members(kind), cgutils.unpack_tuple(builder, value), strict=True))


def joined_type(kind: Any, found: list[Any]) -> Any:
    """Return the type of results for each member of a tuple type, or for what is none itself."""
    return types.Tuple(found) if isinstance(kind, types.BaseTuple) else found[0]


def members(kind: Any) -> list[Any]:
    """Return the types of a tuple's members, or of what is none itself."""
    found: Any = kind
    return list(found) if isinstance(kind, types.BaseTuple) else [kind]
