"""Vectors from and to memory: whole, in part, past the caches; and the sums that memory holds.

Loads convert from what memory holds to what is computed with, stores convert back (`storage`). Most
of these take a tuple of pointers too, and give a tuple.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
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
    Vec,
    call,
    lanes_between,
    lanes_of,
    llvm_type,
    native,
    wide,
)


@intrinsic
def lanes(_: Any, p: Any) -> Any:
    """Return the number of elements in a vector of what p points to, as a constant."""
    count = lanes_of(p.dtype)
    return types.int64(p), lambda context, builder, sig, args: I64(count)


def _in_memory(dtype: Any, lanes: int) -> tuple[Any, str]:
    """Return the LLVM type of a vector in memory, and LLVM's name for it."""
    kind = ir.VectorType(STORAGE[dtype].element, lanes)
    letter = "i" if isinstance(STORAGE[dtype].element, ir.IntType) else "f"
    return kind, f"v{kind.count}{letter}{8 * bytes_of(dtype)}.p0"


def _each(context: Any, builder: Any, p: Any, value: Any, one: Callable[[Any, Any], Any]) -> Any:
    """Return what `one(address, dtype)` generates for a pointer or each of a tuple of them."""
    found = [one(address, kind.dtype) for kind, address in parts(builder, p, value)]
    if not isinstance(p, types.BaseTuple):
        return found[0]
    return context.make_tuple(builder, _vectors(p), found)


def _vectors(p: Any) -> Any:
    """Return the type of the vectors at a pointer, or at each of a tuple of them."""
    return joined_type(p, [native(kind.dtype) for kind in members(p)])


def _load(builder: Any, p: Any, dtype: Any) -> Any:
    kind, _ = _in_memory(dtype, lanes_of(dtype))
    value = builder.load(builder.bitcast(p, kind.as_pointer()))
    value.align = bytes_of(dtype)
    return STORAGE[dtype].loaded(builder, value)


@intrinsic
def load(_: Any, p: Any) -> Any:
    """Return the vector at p, which needs no alignment beyond its elements'."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _each(context, builder, p, args[0], lambda at, dtype: _load(builder, at, dtype))

    return _vectors(p)(p), codegen


def _masked_load(builder: Any, p: Any, dtype: Any, mask: Any) -> Any:
    kind, name = _in_memory(dtype, lanes_of(dtype))
    where = builder.bitcast(p, kind.as_pointer())
    given = [where, I32(bytes_of(dtype)), mask, ir.Constant(kind, None)]
    return STORAGE[dtype].loaded(builder, call(builder, f"llvm.masked.load.{name}", kind, given))


def _load_between(context: Any, builder: Any, p: Any, value: Any, start: Any, stop: Any) -> Any:
    def one(address: Any, dtype: Any) -> Any:
        mask = lanes_between(builder, start, stop, lanes_of(dtype))
        return _masked_load(builder, address, dtype, mask)

    return _each(context, builder, p, value, one)


@intrinsic
def load_first(_: Any, p: Any, n: Any) -> Any:
    """Return a vector of the n elements at p and zeros, reading nothing behind them."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load_between(context, builder, p, args[0], None, args[1])

    return _vectors(p)(p, types.int64), codegen


@intrinsic
def load_lanes(_: Any, p: Any, start: Any, stop: Any) -> Any:
    """Return the lanes [start, stop) of the vector at p, and zeros, reading nothing else."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load_between(context, builder, p, *args)

    return _vectors(p)(p, types.int64, types.int64), codegen


def _store(builder: Any, p: Any, value: Any, dtype: Any) -> Any:
    # Sums in memory may be wider than a vector of float64 by itself.
    kind, _ = _in_memory(dtype, value.type.count)
    value = STORAGE[dtype].stored(builder, value)
    written = builder.store(value, builder.bitcast(p, kind.as_pointer()))
    written.align = bytes_of(dtype)
    return written


@intrinsic
def store(_: Any, p: Any, v: Any) -> Any:
    """Write a vector at p."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _store(builder, args[0], args[1], p.dtype)
        return context.get_dummy_value()

    return types.void(p, v), codegen


@intrinsic
def store_lanes(_: Any, p: Any, v: Any, start: Any, stop: Any) -> Any:
    """Write the lanes [start, stop) of a vector at p, touching nothing else."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        where, value, start, stop = args
        kind, name = _in_memory(p.dtype, v.lanes)
        value = STORAGE[p.dtype].stored(builder, value)
        mask = lanes_between(builder, start, stop, v.lanes)
        where = builder.bitcast(where, kind.as_pointer())
        given = [value, where, I32(bytes_of(p.dtype)), mask]
        call(builder, f"llvm.masked.store.{name}", ir.VoidType(), given)
        return context.get_dummy_value()

    return types.void(p, v, types.int64, types.int64), codegen


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


def _load_sum(builder: Any, p: Any, dtype: Any, lanes: int) -> Any:
    held = Vec(dtype, lanes)
    value = builder.load(builder.bitcast(p, llvm_type(held).as_pointer()))
    value.align = bytes_of(dtype)
    wanted = llvm_type(Vec(types.float64, lanes))
    return value if value.type == wanted else builder.fpext(value, wanted)


@intrinsic
def load_sum(_: Any, sums: Any, like: Any) -> Any:
    """Return as many numbers at `sums`, in float64, as a vector at `like` has lanes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _load_sum(builder, args[0], sums.dtype, lanes_of(like.dtype))

    return wide(like.dtype)(sums, like), codegen


@intrinsic
def no_sum(_: Any, like: Any) -> Any:
    """Return a wide vector of zeros, as many lanes as a vector at `like` has."""
    v = wide(like.dtype)
    return v(like), lambda context, builder, sig, args: ir.Constant(llvm_type(v), None)
