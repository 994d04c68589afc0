"""Whether this process uses kernels compiled ahead, and the library that has them.

`NUMBANORM_KERNELS` chooses: ``aot``, ``jit``, or, if it is not set, the library where there is one
that works here. `NBN_INSTRUCTION_SET` asks for another of its instruction sets than the best.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import numbanorm

NAME = "libnumbanorm_kernels.so"
# Some importers don't say where a module is; then there is no library beside it either.
_file = globals().get("__file__")
PATH = Path(_file).with_name(NAME) if _file else None

# What chooses, as the process began.
_asked = os.environ.get("NUMBANORM_KERNELS", "").strip()


class _Unusable(Exception):
    """The library is no use here; says why."""


@lru_cache(maxsize=1)
def deciding() -> tuple[ctypes.PyDLL | None, str]:
    """Return the library if this process uses it, and what it is or why not.

    Raises
    ------
    ValueError
        If `NUMBANORM_KERNELS` is neither "aot" nor "jit".
    ImportError
        If it is "aot", and there is no library that works here.
    """
    if _asked not in ("", "aot", "jit"):
        raise ValueError(f"NUMBANORM_KERNELS must be 'aot' or 'jit', got {_asked!r}")
    if _asked == "jit":
        return None, "compiled by Numba, by NUMBANORM_KERNELS"
    try:
        library, name = _opened()
    except _Unusable as error:
        if _asked:
            raise ImportError(f"NUMBANORM_KERNELS=aot, but {error}") from None
        return None, f"compiled by Numba: {error}"
    return library, f"compiled ahead, for {name}" + (", by NUMBANORM_KERNELS" if _asked else "")


def loaded() -> ctypes.PyDLL | None:
    """Return the library, if this process uses it."""
    return deciding()[0]


def _opened() -> tuple[ctypes.PyDLL, str]:
    """Return the library and the name of its instruction set that is used."""
    if PATH is None or not PATH.exists():
        raise _Unusable(f"this installation has no {NAME}")
    try:
        library = ctypes.PyDLL(str(PATH))
        version = ctypes.string_at(_address(library, "nbn_version")).decode()
        choose: Any = library.nbn_choose
    except (OSError, ValueError, AttributeError) as error:
        raise _Unusable(str(error)) from None
    if version != numbanorm.__version__:
        raise _Unusable(f"{NAME} is of numbanorm {version}")
    choose.restype = ctypes.c_char_p
    name = choose(os.environ.get("NBN_INSTRUCTION_SET", "").encode())
    if name is None:
        raise _Unusable(f"{NAME} is not for this processor")
    _tell_size_of_objects(library)
    return library, name.decode()


def _address(library: ctypes.PyDLL, symbol: str) -> int:
    return ctypes.addressof(ctypes.c_char.in_dll(library, symbol))


def _tell_size_of_objects(library: ctypes.PyDLL) -> None:
    """Let the library know what stands before an array's own members in memory."""
    # A C compiler's sizeof(PyObject).
    size = object.__basicsize__
    ctypes.c_int64.in_dll(library, "nbn_object_size").value = size
    tried = np.empty((3, 2))
    reads = library.nbn_address
    reads.argtypes, reads.restype = [ctypes.py_object], ctypes.c_int64
    if reads(tried) != tried.ctypes.data:
        raise _Unusable("arrays are not laid out in memory as they are in CPython")


@lru_cache(maxsize=1)
def _number() -> int:
    """Return the number of the instruction set in use."""
    library = loaded()
    assert library is not None
    return int(library.nbn_chosen())


def address(symbol: str) -> int:
    """Return the address of a function of the library."""
    library = loaded()
    assert library is not None
    found = ctypes.cast(library[f"{symbol}.{_number()}"], ctypes.c_void_p).value
    assert found is not None
    return found


def called(method: str, symbol: str) -> Callable[..., int]:
    """Return what calls a function of the library, as a function of Python's own."""
    library, new = loaded(), ctypes.pythonapi.PyCFunction_NewEx
    assert library is not None
    new.argtypes, new.restype = (
        [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p],
        ctypes.py_object,
    )
    made: Callable[..., int] = new(_address(library, f"nbn_{method}"), address(symbol), None)
    return made
