"""The threads of Numba's threading layer, started without the GIL and without a parallel region.

Numba's own parallel regions take the GIL on the way in, so that a thread started by C deadlocks
with whoever waits for it holding the GIL; and each is compiled with a copy of the loops it calls.
``numba_parallel_for`` and ``get_num_threads`` are what such a region calls in the end.
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.options import callback
from numbanorm.kernels.pointers import BYTES, I64


@intrinsic
def _parallel_for(_: Any, work: Any, data: Any, workers: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        work, data, workers = given
        pair = cgutils.alloca_once(builder, ir.ArrayType(BYTES, 3))
        packed = (work, data, builder.inttoptr(workers, BYTES))
        for i, value in enumerate(packed):
            builder.store(value, cgutils.gep_inbounds(builder, pair, 0, i))
        # One "array", at address 0 with a step of 1: an item's address is its number.
        arrays = cgutils.alloca_once_value(builder, ir.Constant(BYTES, None))
        sizes, steps = (cgutils.alloca_once_value(builder, v) for v in (workers, I64(1)))
        kind = ir.FunctionType(I64, [])
        threads = cgutils.get_or_insert_function(builder.module, kind, "get_num_threads")
        threads = builder.call(threads, [])
        fewer = builder.icmp_signed("<", workers, threads)
        threads = builder.select(fewer, workers, threads)
        kind = ir.FunctionType(ir.VoidType(), [BYTES] * 5 + [I64] * 3)
        start = cgutils.get_or_insert_function(builder.module, kind, "numba_parallel_for")
        pointers = [
            builder.bitcast(p, BYTES) for p in (_items(builder.module), arrays, sizes, steps, pair)
        ]
        builder.call(start, [*pointers, I64(0), I64(1), threads])
        return context.get_dummy_value()

    return types.void(types.voidptr, types.voidptr, types.int64), codegen


def _items(module: Any) -> Any:
    """Return the function that the layer calls with a range of items: of workers, here."""
    kind = ir.FunctionType(
        ir.VoidType(), [BYTES.as_pointer(), I64.as_pointer(), I64.as_pointer(), BYTES]
    )
    function = ir.Function(module, kind, module.get_unique_name("nbn_items"))
    function.linkage = "internal"
    arrays, sizes, _, data = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    data = builder.bitcast(data, ir.ArrayType(BYTES, 3).as_pointer())
    work, data, workers = (
        builder.load(cgutils.gep_inbounds(builder, data, 0, i)) for i in range(3)
    )
    first = builder.ptrtoint(builder.load(arrays), I64)
    work_kind = ir.FunctionType(ir.VoidType(), [I64, I64, BYTES])
    work, workers = builder.bitcast(work, work_kind.as_pointer()), builder.ptrtoint(workers, I64)
    with cgutils.for_range(builder, builder.load(sizes)) as loop:
        builder.call(work, [builder.add(first, loop.index), workers, data])
    builder.ret_void()
    return function


def _start(work, data, workers):  # type: ignore[no-untyped-def]
    _parallel_for(work, data, workers)


def launcher() -> int:
    """Return the address of the launcher (see `launch`); Numba's threads must be started."""
    kind = types.void(types.voidptr, types.voidptr, types.int64)
    return int(callback(kind, _start, "launcher").address)
