"""The words for a status, as a C string."""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from numbanorm._status import RULES
from numbanorm.kernels.simd.pointers import I64


@intrinsic
def message(_: Any, status: Any) -> Any:
    """Return the words for a status, of any value, as a `const char *`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        texts = [RULES[known] for known in sorted(RULES)] + ["unknown status"]
        strings = [context.insert_const_string(builder.module, text) for text in texts]
        table = ir.Constant(ir.ArrayType(strings[0].type, len(strings)), strings)
        where = ir.GlobalVariable(
            builder.module, table.type, builder.module.get_unique_name("nbn_messages")
        )
        where.linkage, where.global_constant, where.initializer = "internal", True, table
        index = context.cast(builder, args[0], status, types.int64)
        known = builder.icmp_unsigned("<", index, I64(len(RULES)))
        index = builder.select(known, index, I64(len(RULES)))
        return builder.load(builder.gep(where, [I64(0), index]))

    return types.CPointer(types.char)(status), codegen
