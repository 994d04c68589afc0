"""Vectors from and to memory: whole, in part, past the caches.

Loads convert from what memory holds to what is computed with, stores convert back (`storage`). Most
of these take a tuple of pointers too, and give a tuple.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.storage import (
    LINE_BYTES,
    STORAGE,
    bytes_of,
    joined_type,
    members,
    parts,
)
from numbanorm.kernels.simd.vec import (
    I32,
    I64,
    call,
    lanes_between,
    lanes_of,
    native,
)


@intrinsic
def lanes(_: Any, p: Any) -> Any:
    """Return the number of elements in a vector of what p, or the first of several, points to."""
    count = lanes_of(members(p)[0].dtype)
    return types.int64(p), lambda context, builder, sig, args: I64(count)


def in_memory(dtype: Any, lanes: int) -> tuple[Any, str]:
    """Return the LLVM type of a vector in memory, and LLVM's name for it."""
    kind = ir.VectorType(STORAGE[dtype].element, lanes)
    letter = "i" if isinstance(STORAGE[dtype].element, ir.IntType) else "f"
    return kind, f"v{kind.count}{letter}{8 * bytes_of(dtype)}.p0"


def each(builder: Any, sig: Any, value: Any, one: Callable[[Any, Any], Any], context: Any) -> Any:
    """Return what `one(address, dtype)` generates for a pointer or each of a tuple of them."""
    found = [one(address, kind.dtype) for kind, address in parts(builder, sig.args[0], value)]
    if not isinstance(sig.args[0], types.BaseTuple):
        return found[0]
    return context.make_tuple(builder, sig.return_type, found)


def _vectors(p: Any) -> Any:
    """Return the type of the vectors at a pointer, or at each of a tuple of them."""
    return joined_type(p, [native(kind.dtype) for kind in members(p)])


def mask_of(builder: Any, part: Any, lanes: int) -> Any:
    """Return the mask of the lanes [start, stop) of a part."""
    start, stop = cgutils.unpack_tuple(builder, part)
    return lanes_between(builder, start, stop, lanes)


def _load(builder: Any, p: Any, dtype: Any) -> Any:
    kind, _ = in_memory(dtype, lanes_of(dtype))
    value = builder.load(builder.bitcast(p, kind.as_pointer()))
    value.align = bytes_of(dtype)
    return STORAGE[dtype].loaded(builder, value)


@intrinsic
def load(_: Any, p: Any) -> Any:
    """Return the vector at p, which needs no alignment beyond its elements'."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return each(builder, sig, args[0], lambda at, kind: _load(builder, at, kind), context)

    return _vectors(p)(p), codegen


def _masked_load(builder: Any, p: Any, dtype: Any, mask: Any) -> Any:
    kind, name = in_memory(dtype, lanes_of(dtype))
    where = builder.bitcast(p, kind.as_pointer())
    given = [where, I32(bytes_of(dtype)), mask, ir.Constant(kind, None)]
    return STORAGE[dtype].loaded(builder, call(builder, f"llvm.masked.load.{name}", kind, given))


@intrinsic
def load_part(_: Any, p: Any, part: Any) -> Any:
    """Return the lanes [start, stop) of the vector at p, and zeros, reading nothing else.

    `part` is (start, stop), or None for the whole vector.
    """
    if isinstance(part, types.NoneType):
        typed, codegen = load._defn(_, p)
        return typed.return_type(p, part), codegen

    def masked(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def one(address: Any, dtype: Any) -> Any:
            mask = mask_of(builder, args[1], lanes_of(dtype))
            return _masked_load(builder, address, dtype, mask)

        return each(builder, sig, args[0], one, context)

    return _vectors(p)(p, part), masked


@intrinsic
def load_or(_: Any, p: Any, i: Any, part: Any, default: Any) -> Any:
    """Return like `load_part` the vector at p[i], or the default where p is None or null."""
    sig = default(p, types.int64, part, default)
    if isinstance(p, types.NoneType):
        return sig, lambda context, builder, sig, args: args[3]
    typed, found = load_part._defn(_, p, part)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        result = cgutils.alloca_once_value(builder, args[3])
        with builder.if_then(cgutils.is_not_null(builder, args[0])):
            given = builder.gep(args[0], [args[1]]), args[2]
            builder.store(found(context, builder, typed, given), result)
        return builder.load(result)

    return sig, codegen


def _store(builder: Any, p: Any, value: Any, dtype: Any) -> Any:
    # Sums in memory may be wider than a vector of float64 by itself.
    kind, _ = in_memory(dtype, value.type.count)
    value = STORAGE[dtype].stored(builder, value)
    written = builder.store(value, builder.bitcast(p, kind.as_pointer()))
    written.align = bytes_of(dtype)
    return written


@intrinsic
def store(_: Any, p: Any, v: Any) -> Any:
    """Write a vector at p, or each of a tuple of them."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = zip(parts(builder, p, args[0]), parts(builder, v, args[1]), strict=True)
        for (kind, address), (_, value) in pairs:
            _store(builder, address, value, kind.dtype)
        return context.get_dummy_value()

    return types.void(p, v), codegen


@intrinsic
def stream(_: Any, p: Any, v: Any) -> Any:
    """Write a vector at p, where a cache line or a part of one starts, past the caches.

    `fence` when done.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        written = _store(builder, args[0], args[1], p.dtype)
        written.align = min(LINE_BYTES, v.lanes * bytes_of(p.dtype))
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
    return types.void(p), _prefetch(p, 0)


@intrinsic
def prefetch_write(_: Any, p: Any) -> Any:
    """Ask for the cache line at p, which need not be a valid address, to write a part of it."""
    return types.void(p), _prefetch(p, 1)


def _prefetch(p: Any, write: int) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        for _, address in parts(builder, p, args[0]):
            where = builder.bitcast(address, ir.PointerType(ir.IntType(8)))
            given = [where, I32(write), I32(3), I32(1)]
            call(builder, "llvm.prefetch.p0", ir.VoidType(), given)
        return context.get_dummy_value()

    return codegen


@intrinsic
def to_aligned(_: Any, p: Any) -> Any:
    """Return how many elements there are from p to where a vector in memory is aligned.

    That is where a cache line begins, or for narrow elements a part of one.
    """
    size = bytes_of(p.dtype)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        past = builder.neg(builder.ptrtoint(args[0], I64))
        left = builder.and_(past, I64(lanes_of(p.dtype) * size - 1))
        return builder.udiv(left, I64(size))

    return types.int64(p), codegen
