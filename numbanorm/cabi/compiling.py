"""The C functions, compiled: those of one type together, for they share most of their code."""

from __future__ import annotations

from numbanorm.cabi.declarations import Function, functions, signatures
from numbanorm.kernels.compile import bundles


def of_kind(kind: str) -> list[Function]:
    """Return the functions compiled together: those of a type, with what is of none in float's."""
    return [one for one in functions() if one.kind == kind or (not one.kind and kind == "f32")]


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
