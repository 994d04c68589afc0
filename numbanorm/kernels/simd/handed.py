"""NumPy's arrays as Python has them, by the addresses of their objects: what a library is handed.

Of an array's object, what is needed has had one place in all versions of NumPy: after what stands
first in every object of Python's come the address of the elements, the number of axes, and the
address of their lengths (`PyArrayObject_fields`).
"""

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import models, register_model

_BYTES, _I32, _I64 = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)
_DATA, _AXES, _LENGTHS = 0, 8, 16


class Handed(types.Type):
    """The Numba type of an array's object, with elements of a type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Handed({dtype})")


@register_model(Handed)
class HandedModel(models.PrimitiveModel):
    """An address."""

    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _BYTES)


def _member(builder: Any, array: Any, place: int, kind: Any) -> Any:
    """Return what an array's object has at a place."""
    module, name = builder.module, "nbn_object_size"
    first = module.globals.get(name)
    first = ir.GlobalVariable(module, _I64, name) if first is None else first
    offset = builder.add(builder.load(first), _I64(place))
    return builder.load(builder.bitcast(builder.gep(array, [offset]), kind.as_pointer()))


def data(builder: Any, array: Any) -> Any:
    """Return the address of an array's elements."""
    return _member(builder, array, _DATA, _BYTES)


def count(builder: Any, array: Any) -> Any:
    """Return how many elements an array has."""
    axes = _member(builder, array, _AXES, _I32)
    lengths = _member(builder, array, _LENGTHS, _I64.as_pointer())
    product = cgutils.alloca_once_value(builder, _I64(1))
    with cgutils.for_range(builder, axes) as loop:
        length = builder.load(builder.gep(lengths, [loop.index]))
        builder.store(builder.mul(builder.load(product), length), product)
    return builder.load(product)
