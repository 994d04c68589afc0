"""Another library's OpenMP threads as a launcher, for the threads of a program that ask for it.

Where PyTorch runs, its threads spin for a while after each operation; ours and theirs would fight
for the cores. A region that such a thread launches is therefore worked on by that library's team.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm.kernels.simd.pointers import BYTES, I64
from numbanorm.kernels.simd.room import on_stack
from numbanorm.kernels.threads.launch import WORK
from numbanorm.kernels.threads.system import I32
from numbanorm.threads import shared
from numbanorm.threads.shared import KEY, OPENMP, OPENMP_WORDS, OTHERS

llvm.add_symbol(OPENMP, shared.address(OPENMP))


def _word(builder: Any, i: int) -> Any:
    """Return the address of a word."""
    module, kind = builder.module, ir.ArrayType(I64, OPENMP_WORDS)
    found = module.globals.get(OPENMP)
    found = ir.GlobalVariable(module, kind, OPENMP) if found is None else found
    return builder.gep(found, [I64(0), I64(i)])


def _function(builder: Any, i: int, kind: Any) -> Any:
    """Return the function whose address is a word."""
    return builder.load(builder.bitcast(_word(builder, i), kind.as_pointer().as_pointer()))


@intrinsic
def has_asked(_: Any) -> Any:
    """Return whether this thread wants OpenMP's threads."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(BYTES, [I32])
        ask = cgutils.get_or_insert_function(builder.module, kind, "pthread_getspecific")
        key = builder.trunc(builder.load(_word(builder, KEY)), I32)
        found = cgutils.is_not_null(builder, builder.call(ask, [key]))
        return context.cast(builder, found, types.boolean, types.boolean)

    return types.boolean(), codegen


@intrinsic
def by_team(_: Any, function: Any, data: Any, workers: Any) -> Any:
    """Let a team of OpenMP's threads work, and wait for all."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        packed = ir.LiteralStructType([BYTES, BYTES])
        room = on_stack(builder, packed)
        for i, value in enumerate(args[:2]):
            builder.store(value, cgutils.gep_inbounds(builder, room, 0, i))
        member = ir.FunctionType(ir.VoidType(), [BYTES])
        kind = ir.FunctionType(ir.VoidType(), [member.as_pointer(), BYTES, I32, I32])
        builder.call(
            _function(builder, 0, kind),
            [
                _member(builder.module, packed),
                builder.bitcast(room, BYTES),
                builder.trunc(args[2], I32),
                I32(0),
            ],
        )
        return context.get_dummy_value()

    return types.void(types.voidptr, types.voidptr, types.int64), codegen


def _member(module: Any, packed: Any) -> Any:
    """Return the function that each thread of a team calls."""
    found = module.globals.get("nbn_member")
    if found is not None:
        return found
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [BYTES]), "nbn_member")
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block())
    room = builder.bitcast(function.args[0], packed.as_pointer())
    work, data = (builder.load(cgutils.gep_inbounds(builder, room, 0, i)) for i in range(2))
    asking = ir.FunctionType(I32, [])
    numbers = [builder.sext(builder.call(_function(builder, i, asking), []), I64) for i in (1, 2)]
    builder.call(builder.bitcast(work, WORK.as_pointer()), [*numbers, data])
    builder.ret_void()
    return function


@intrinsic
def by_others(_: Any, function: Any, data: Any, workers: Any) -> Any:
    """Call the launcher of threads that have not asked."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [BYTES, BYTES, I64])
        builder.call(_function(builder, OTHERS, kind), args)
        return context.get_dummy_value()

    return types.void(types.voidptr, types.voidptr, types.int64), codegen


def start(function, data, workers):  # type: ignore[no-untyped-def]
    """Work with up to `workers` threads, of OpenMP's where the calling thread has asked."""
    if has_asked():
        by_team(function, data, workers)
    else:
        by_others(function, data, workers)
