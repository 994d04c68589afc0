"""Object files of the library: ``python -m numbanorm.prebuilt.objects PART FOLDER TARGET NUMBER``.

A part is all that is done to one kind of x, or all that makes such of images, or the rest.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from numba.core import types

from numbanorm.kernels.compile import objects
from numbanorm.kernels.compile.bundles import Entries
from numbanorm.kernels.simd.handed import Handed
from numbanorm.kernels.simd.sixteen import bfloat16, float16
from numbanorm.kernels.threads import entries as threads
from numbanorm.prebuilt.table import BRAIN, HALF, OPERATIONS, SERIAL, Function

_ELEMENTS: dict[str, Any] = {
    "f": types.float32, "d": types.float64, HALF: float16, BRAIN: bfloat16,
    "B": types.uint8, "H": types.uint16, "h": types.int16, "q": types.int64,
}  # fmt: skip
_NUMBERS = {"n": types.float64, "k": types.int64, "f": types.boolean}

# A view: five sizes.
_VIEW = types.UniTuple(types.int64, 5)

# Parts by names that are those of files.
FLOATS = {"float32": "f", "float64": "d", "float16": HALF, "bfloat16": BRAIN}
IMAGES = {f"{kind}_images": character for kind, character in FLOATS.items()}
PARTS = *IMAGES, *FLOATS, "rest"


def _part(function: Function, kinds: str) -> str:
    """Return the part that a function compiled for some kinds belongs to."""
    if function in SERIAL or function.name.startswith("summaries"):
        return "rest"
    parts = IMAGES if function.name.startswith("images") else FLOATS
    return next(part for part, kind in parts.items() if kind == kinds[0])


def _arguments(function: Function, kinds: str) -> list[Any]:
    """Return Numba's types of what a function is given."""
    spelled = function.spelled(kinds)
    return [
        _NUMBERS[letter] if letter in _NUMBERS else Handed(_ELEMENTS[kind])
        for letter, kind in zip(function.letters, spelled)
    ]


def entries(part: str) -> Entries:
    """Return the functions of a part and their signatures, by their symbols.

    A tuple is passed to a compiled function as if its items were arguments.
    """
    found: dict[str, Any] = {}
    for function in (*OPERATIONS, *SERIAL):
        for kinds in function.kinds:
            if _part(function, kinds) != part:
                continue
            module, _, name = function.name.partition(".")
            compiled = getattr(
                importlib.import_module(f"numbanorm.kernels.operations.{module}"), name
            )
            given = _arguments(function, kinds)
            if function in OPERATIONS:
                signature = types.int64(_VIEW, types.Tuple(given), types.int64)
                found[function.symbol(kinds)] = compiled.driver.py_func, signature
            else:
                found[function.symbol(kinds)] = compiled.py_func, types.void(*given)
    return found | (dict(threads.ENTRIES) if part == "rest" else {})


if __name__ == "__main__":
    part, folder, target, number = sys.argv[1:]
    # One by one: what only one function calls is inlined into it, as in a process of its own.
    for name, entry in entries(part).items():
        objects.write(name, {name: entry}, Path(folder), target, f".{number}", "default")
