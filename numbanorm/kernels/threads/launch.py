"""Threads for compiled operations, and the process's part in it.

An operation calls `launch`, which hands a worker to as many threads as it is told. Who has threads
is left to the process. It defines variables, symbols to the linker: ``nbn_launcher``, the
address of a ``void launcher(void (*work)(int64_t k, int64_t workers, void *data), void *data,
int64_t workers)``, or null where the calling thread does all work alone, and ``nbn_threads``, how
many threads C callers want. In Python the threads are those of `pool`, in the C library OpenMP's.
Two more say from how many bytes on results are written past the caches: ``nbn_stream_alone`` by one
thread, ``nbn_stream_each`` more for each other one (`caches`).
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.pointers import BYTES, I64
from numbanorm.kernels.simd.room import on_stack
from numbanorm.kernels.threads.float_modes import call_leaf, enter, leave
from numbanorm.plan.tuning import MAX_WORKERS, SPACING
from numbanorm.threads import caches, shared
from numbanorm.threads.shared import LAUNCHER, STREAM_ALONE, STREAM_EACH, THREADS

WORK = ir.FunctionType(ir.VoidType(), [I64, I64, BYTES])
_START = ir.FunctionType(ir.VoidType(), [WORK.as_pointer(), BYTES, I64])
_COUNTERS = types.CPointer(types.int64)
_QUEUE = types.Tuple((_COUNTERS, types.int64, types.int64))


for _name in (LAUNCHER, THREADS, STREAM_ALONE, STREAM_EACH):
    llvm.add_symbol(_name, shared.address(_name))
caches.set_limits()


def _load_variable(builder: Any, kind: Any, name: str) -> Any:
    module = builder.module
    found = module.globals.get(name)
    return builder.load(ir.GlobalVariable(module, kind, name) if found is None else found)


@intrinsic
def threads(_: Any) -> Any:
    """Return how many threads C callers want large arrays to be worked on with."""
    return types.int64(), lambda context, builder, sig, args: _load_variable(builder, I64, THREADS)


@intrinsic
def stream_bytes(_: Any, workers: Any) -> Any:
    """Return from how many bytes on a result of so many threads is written past the caches."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        alone, each = (_load_variable(builder, I64, name) for name in (STREAM_ALONE, STREAM_EACH))
        more = builder.sub(context.cast(builder, args[0], sig.args[0], types.int64), I64(1))
        return builder.add(alone, builder.mul(each, more))

    return types.int64(workers), codegen


@intrinsic
def launch(typing: Any, worker: Any, workers: Any, view: Any, args: Any) -> Any:
    """Call the leaf ``worker(queue, view, args)`` in `workers` threads and wait for all of them.

    `queue` is what `claim` takes: counters of work taken, the worker's number, and `workers`.
    """
    called = worker.get_call_type(typing, (_QUEUE, view, args), {})

    def codegen(context: Any, builder: Any, sig: Any, given: Any) -> Any:
        view, args = (
            context.cast(builder, given[i], sig.args[i], called.args[i - 1]) for i in (2, 3)
        )
        count, data = given[1], _packed(builder, given[1], view, args)
        work = _work(context, builder.module, worker, called, data.type)
        data = builder.bitcast(data, BYTES)
        launcher = _load_variable(builder, BYTES, LAUNCHER)
        one = builder.icmp_signed("<=", count, I64(1))
        none = builder.icmp_unsigned("==", launcher, ir.Constant(BYTES, None))
        with builder.if_else(builder.or_(one, none)) as (alone, together):
            with alone:
                builder.call(work, [I64(0), I64(1), data])
            with together:
                start = builder.bitcast(launcher, _START.as_pointer())
                builder.call(start, [work, data, count])
        return context.get_dummy_value()

    return types.void(worker, types.int64, view, args), codegen


def _packed(builder: Any, count: Any, view: Any, args: Any) -> Any:
    """Return the address of what workers get: counters, all 0, the view and the arguments."""
    counters = on_stack(builder, ir.ArrayType(I64, MAX_WORKERS * SPACING))
    cgutils.memset(builder, counters, builder.mul(count, I64(8 * SPACING)), 0)
    kinds = [I64.as_pointer(), view.type, args.type]
    data = on_stack(builder, ir.LiteralStructType(kinds))
    first = builder.bitcast(counters, I64.as_pointer())
    for i, value in enumerate((first, view, args)):
        builder.store(value, cgutils.gep_inbounds(builder, data, 0, i))
    return data


def _work(context: Any, module: Any, worker: Any, called: Any, packed: Any) -> Any:
    """Return the function that unpacks what a worker gets and calls it."""
    name = module.get_unique_name("nbn_work")
    function = ir.Function(module, WORK, name)
    function.linkage = "internal"
    k, workers, data = function.args
    builder = ir.IRBuilder(function.append_basic_block())
    data = builder.bitcast(data, packed)
    counters, view, args = (
        builder.load(cgutils.gep_inbounds(builder, data, 0, i)) for i in range(3)
    )
    queue = context.make_tuple(builder, _QUEUE, (counters, k, workers))
    before = enter(builder)
    call_leaf(context, builder, worker, called, (queue, view, args), ("noinline",))
    leave(builder, before)
    builder.ret_void()
    return function
