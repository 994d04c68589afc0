"""The C functions, compiled: those of one type together, for they share most of their code."""

from __future__ import annotations

from typing import Any

from numbanorm.cabi.declarations import Function, ffi, functions
from numbanorm.kernels.compile import bundles


def of_kind(kind: str) -> list[Function]:
    """Return the functions compiled together: those of a type, with what is of none in float's."""
    return [one for one in functions() if one.kind == kind or (not one.kind and kind == "f32")]


def _seen(one: Function, i: int, kind: Any, bits: Any, floats: dict[str, Any]) -> Any:
    """Return the type of a function's i-th argument: 16-bit floats, where C has their bits."""
    if kind != bits:
        return kind
    x, _, y = one.kind.partition("_")
    # The first argument of a function of images is the result.
    return floats.get(y if i == 0 and y else x, bits)


def signatures() -> dict[str, Any]:
    """Return Numba's signature of each function that is compiled from Python."""
    from numba.core import types
    from numba.core.typing import cffi_utils

    from numbanorm.kernels.simd.sixteen import bfloat16, float16

    map_type: Any = cffi_utils.map_type
    pointer: Any = types.CPointer
    bits = pointer(types.uint16)
    floats = {"f16": pointer(float16), "bf16": pointer(bfloat16)}

    made = ffi()
    found = {one: map_type(made.typeof(one.pointer())) for one in functions()}
    return {
        one.name: signature.return_type(
            *(_seen(one, i, kind, bits, floats) for i, kind in enumerate(signature.args))
        )
        for one, signature in found.items()
    }


def entries(kind: str) -> bundles.Entries:
    """Return the functions of a type and their signatures, by their names."""
    from numbanorm.kernels.c import entries

    known = signatures()
    return {
        one.name: (getattr(entries, one.entry).py_func, known[one.name]) for one in of_kind(kind)
    }


def addresses(kind: str) -> dict[str, int]:
    """Return the addresses of all C functions of a type, compiled or loaded from the cache."""
    wanted = of_kind(kind)
    names, kinds = [one.name for one in wanted], [(one.prototype(), one.entry) for one in wanted]
    found: dict[str, int] = bundles.addresses(f"cabi.{kind}", lambda: entries(kind), names, kinds)
    return found
