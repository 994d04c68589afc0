"""Stores of some lanes of a vector: the edges of what is written."""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.memory import in_memory, mask_of, store
from numbanorm.kernels.simd.storage import STORAGE, bytes_of, parts
from numbanorm.kernels.simd.vec import I32, I64, call, few_registers


def _masked_store(builder: Any, p: Any, value: Any, dtype: Any, part: Any) -> None:
    """Generate the store of the lanes of a part, under a mask."""
    kind, name = in_memory(dtype, value.type.count)
    where, mask = builder.bitcast(p, kind.as_pointer()), mask_of(builder, part, kind.count)
    given = [value, where, I32(bytes_of(dtype)), mask]
    call(builder, f"llvm.masked.store.{name}", ir.VoidType(), given)


def _halves(builder: Any, v: Any) -> list[Any]:
    """Return the lower and the upper half of a vector, scalars where that is one lane each."""
    n = v.type.count // 2
    if n == 1:
        return [builder.extract_element(v, I32(k)) for k in range(2)]
    return [
        builder.shuffle_vector(v, v, ir.Constant(ir.VectorType(I32, n), list(range(k, k + n))))
        for k in (0, n)
    ]


def _store_end(builder: Any, p: Any, v: Any, count: Any, size: int, last: bool) -> None:
    """Generate the store of the first or last `count` lanes, not all: a half, a quarter and so on.

    `p` is where the first lane that is left belongs, or for the last ones where they end.
    """
    n = v.type.count
    while n > 1:
        n //= 2
        low, high = _halves(builder, v)
        some = builder.icmp_unsigned("!=", builder.and_(count, I64(n)), I64(0))
        further = builder.gep(p, [I64(-n if last else n)])
        with builder.if_then(some):
            mine, where = (high, further) if last else (low, p)
            written = builder.store(mine, builder.bitcast(where, mine.type.as_pointer()))
            written.align = size
        v = builder.select(some, low, high) if last else builder.select(some, high, low)
        p = builder.select(some, further, p)


def _by_halves(module: Any, p: Any, value: Any, size: int) -> Any:
    """Return a function ``(p, value, start, stop)`` that stores lanes up to one end, but not all.

    A function of its own, for what stands beside a loop would cost it registers: gradients of batch
    norm took 1.1 times as long.
    """
    name = f"nbn_store_{value.type.count}_{value.type.element.intrinsic_name}"
    if name in module.globals:
        return module.globals[name]
    kind = ir.FunctionType(ir.VoidType(), [p.type, value.type, I64, I64])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    builder = ir.IRBuilder(function.append_basic_block())
    p, value, start, stop = function.args
    lanes = I64(value.type.count)
    with builder.if_else(builder.icmp_signed("==", start, I64(0))) as (first, last):
        with first:
            _store_end(builder, p, value, stop, size, False)
        with last:
            end = builder.gep(p, [lanes])
            _store_end(builder, end, value, builder.sub(lanes, start), size, True)
    builder.ret_void()
    return function


def _store_part(builder: Any, p: Any, value: Any, dtype: Any, part: Any) -> None:
    """Generate the store of the lanes of a part.

    AMD's processors without AVX-512 take dozens of steps for each half vector under a mask. Without
    masks layer norm of rows of 100 took 0.89 of the time in a cache, its gradients 0.86, inference
    of 14 x 14 0.87, on one thread of an EPYC (Zen 3), 2026-11-27.
    """
    if not few_registers():
        _masked_store(builder, p, value, dtype, part)
        return
    start, stop = cgutils.unpack_tuple(builder, part)
    from_first = builder.icmp_signed("==", start, I64(0))
    to_last = builder.icmp_signed("==", stop, I64(value.type.count))
    with builder.if_else(builder.xor(from_first, to_last), likely=True) as (one_end, other):
        with one_end:
            function = _by_halves(builder.module, p, value, bytes_of(dtype))
            builder.call(function, [p, value, start, stop])
        with other:
            _masked_store(builder, p, value, dtype, part)


@intrinsic
def store_part(_: Any, p: Any, v: Any, part: Any) -> Any:
    """Write the lanes [start, stop) of a vector at p, touching nothing else; see `load_part`."""
    if isinstance(part, types.NoneType):
        _, codegen = store._defn(_, p, v)
        return types.void(p, v, part), codegen

    def partly(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = zip(parts(builder, p, args[0]), parts(builder, v, args[1]), strict=True)
        for (at, address), (_, value) in pairs:
            value = STORAGE[at.dtype].stored(builder, value)
            _store_part(builder, address, value, at.dtype, args[2])
        return context.get_dummy_value()

    return types.void(p, v, part), partly
