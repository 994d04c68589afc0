"""The C functions inside a Python process: their addresses, for Cython, pybind11, cffi and others.

They are the same parallel kernels that the Python functions call, with C's arguments (see
numbanorm.h, the text of `header`). They neither need nor take the GIL, and may be called from any
thread, at several times at once; how many threads each uses is what `numbanorm.set_num_threads`
says, else what `numbanorm.get_num_threads` did when a function was first asked for; blocks of
`numbanorm.num_threads` hold for Python's calls alone.

Where no Python is wanted, `numbanorm capi` builds the same functions as a shared library.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from numbanorm.cabi import declarations
from numbanorm.cabi.declarations import ABI_VERSION, header
from numbanorm.threads import workers

if TYPE_CHECKING:
    from cffi import FFI

__all__ = ["ABI_VERSION", "address", "capsule", "ffi", "header", "table"]

CAPSULE = b"numbanorm.nbn_api"


def ffi() -> FFI:
    """Return the cffi interface that knows all declarations of numbanorm.h.

    Returns
    -------
    cffi.FFI
        For casts and buffers, and for `dlopen` of the shared library.

    Examples
    --------
    >>> from numbanorm import cabi
    >>> cabi.ffi().sizeof("nbn_status")
    4
    """
    return declarations.ffi()


@lru_cache
def _addresses(kind: str) -> dict[str, int]:
    from numbanorm.cabi import compiling

    workers.serve_c()
    return compiling.addresses(kind)


def address(name: str) -> int:
    """Return the address of a C function.

    The functions of a type are compiled when one of them is first asked for, which takes about a
    minute, and loaded from the cache from then on.

    Parameters
    ----------
    name : str
        As in numbanorm.h, like ``"nbn_layer_norm_f32"``.

    Returns
    -------
    int
        The address; valid as long as the process lives.

    Raises
    ------
    ValueError
        If there is no such function.

    Examples
    --------
    >>> from numbanorm import cabi
    >>> cabi.address("nbn_layer_norm_i8")
    Traceback (most recent call last):
        ...
    ValueError: name must be that of a function of numbanorm.h, got 'nbn_layer_norm_i8'
    """
    for one in declarations.functions():
        if one.name == name:
            return _addresses(one.kind or "f32")[name]
    raise ValueError(f"name must be that of a function of numbanorm.h, got {name!r}")


@lru_cache(maxsize=1)
def table() -> Any:
    """Return the table of all C functions, ``nbn_api *`` of numbanorm.h, as a cffi pointer.

    Returns
    -------
    cffi.FFI.CData
        Valid as long as the process lives.

    Examples
    --------
    A layer norm of a NumPy array in place, through the table::

        >>> import numpy as np
        >>> from numbanorm import cabi
        >>> api, ffi = cabi.table(), cabi.ffi()
        >>> x = np.array([[1.0, 3.0], [20.0, 40.0]], np.float32)
        >>> p = ffi.from_buffer("float[]", x)
        >>> api.layer_norm_f32(p, p, 2, 2, ffi.NULL, ffi.NULL, 0.0, ffi.NULL, ffi.NULL)
        0
        >>> x
        array([[-1.,  1.],
               [-1.,  1.]], dtype=float32)
    """
    made = ffi().new("nbn_api *")
    made.size, made.abi_version = ffi().sizeof("nbn_api"), ABI_VERSION
    fields = dict(ffi().typeof("nbn_api").fields)
    for one in declarations.functions():
        setattr(made, one.field, ffi().cast(fields[one.field].type, address(one.name)))
    return made


@lru_cache(maxsize=1)
def capsule() -> Any:
    """Return the table as a PyCapsule, for ``PyCapsule_GetPointer(capsule, NBN_CAPSULE)``.

    Returns
    -------
    PyCapsule
        Holds ``nbn_api *``, valid as long as the process lives.

    Examples
    --------
    >>> from numbanorm import cabi
    >>> type(cabi.capsule()).__name__
    'PyCapsule'
    """
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = (
        ctypes.py_object,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
    )
    return new(int(ffi().cast("intptr_t", table())), CAPSULE, None)
