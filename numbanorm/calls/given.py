"""What users give, as plain arrays; refused where NumPy would lose something without a word.

Classes of other libraries are told by what they have, so that none is imported. Whoever gives plain
arrays pays for none of this.
"""

from __future__ import annotations

import sys
from array import array as typed_array
from collections.abc import Iterator, Sequence
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Sequences that say of which type their elements are, or have none that are numbers.
_TYPED = memoryview, typed_array, str, bytes, bytearray

# What most lists are made of.
_NUMBERS = frozenset({float, int})


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Return value as a plain array, without a copy where it has memory of its own."""
    kind = type(value)
    array: NDArray[Any]
    if kind is np.ndarray:
        array = value
        return array
    check(name, value)
    try:
        if _is_bfloat16(value):
            # NumPy takes its bits, in any strides.
            array = value.view(sys.modules["torch"].int16).numpy().view(bfloat16())
        elif hasattr(kind, "__dlpack__") and not hasattr(kind, "__array__"):
            array = np.from_dlpack(value)
        else:
            array = np.asarray(value)
        return array
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        remedy = ""
        if _made_by("awkward", kind):
            remedy = f": pass ak.fill_none({name}, value), padded to rows of one length"
        raise TypeError(
            f"{name} must be what np.asarray takes, got {kind.__name__} ({error}){remedy}"
        ) from error


def bfloat16() -> np.dtype[Any] | None:
    """Return the dtype bfloat16, or None where ml_dtypes, which NumPy has it from, is missing."""
    try:
        import ml_dtypes
    except ImportError:
        return None
    found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return found


def is_sequence(value: Any) -> bool:
    """Return whether value is a list, or its like, that leaves open of which dtype it is."""
    if isinstance(value, (list, tuple)):
        return True
    return isinstance(value, Sequence) and not isinstance(value, _TYPED)


def of_dtype(name: str, value: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return value as an array: of this dtype if it is a sequence of numbers, else of its own."""
    array = as_array(name, value)
    if array is value or not is_sequence(value):
        return array
    odd = [leaf for leaf in _leaves(value) if not _is_number(leaf)]
    if odd:
        raise TypeError(f"{name} must be real numbers, got {odd[0]!r}")
    if array.dtype.kind not in "fiuO" and array.dtype != bfloat16():
        raise TypeError(f"{name} must be real numbers, got {array.dtype}")
    try:
        with np.errstate(all="ignore"):
            return array.astype(dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name} must be real numbers that {dtype} has ({error})") from error


def _leaves(value: Any) -> Iterator[Any]:
    for item in value:
        if type(item) not in _NUMBERS and is_sequence(item):
            yield from _leaves(item)
        else:
            yield item


def _is_number(leaf: Any) -> bool:
    """Return whether a list's element is a number, or may be one, or several, to NumPy."""
    if isinstance(leaf, (bool, np.bool_)):
        return False
    return isinstance(leaf, Real) or hasattr(leaf, "__array__") or hasattr(leaf, "__dlpack__")


def remedy(name: str, dtype: np.dtype[Any]) -> str:
    """Return what to do about an array of a dtype that holds no numbers, to end a message with."""
    if dtype.names:
        return f": pass a field of it, as {name}[{dtype.names[0]!r}]"
    if dtype.kind == "O":
        return f": pass np.asarray({name}, np.float32), with NaN for what is missing"
    return f": pass np.asarray({name}, np.float32)" if dtype.kind in "SUT" else ""


def check(name: str, value: Any, alone: bool = True) -> None:
    """Refuse what is more than its numbers, or has none that NumPy can see.

    Not `alone`, it is a part of what was given.
    """
    kind = type(value)
    if isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            if type(item) not in _NUMBERS:
                check(f"{name}[{i}]", item, False)
        return
    inner = _wrapped(name, value, kind)
    if inner is not None:
        check(*inner, False)
    for look in (_mask, _units, _sparse, _nulls, partial(_tensor, alone=alone)):
        trouble = look(name, value, kind)
        if trouble:
            raise TypeError(f"{name} {trouble}")


def _made_by(library: str, kind: type) -> bool:
    return kind.__module__.partition(".")[0] == library


def _wrapped(name: str, value: Any, kind: type) -> tuple[str, Any] | None:
    """Return an array that value is made of, or one of its kind, and what users call it."""
    if _made_by("xarray", kind) and hasattr(kind, "data"):
        return f"{name}.data", value.data
    if _made_by("dask", kind) and hasattr(value, "_meta"):
        return f"{name}.compute()", value._meta
    return None


def _mask(name: str, value: Any, kind: type) -> str:
    masked = getattr(sys.modules.get("numpy.ma"), "MaskedArray", ())
    plain = "data" if isinstance(value, masked) else "unmasked"
    if plain == "unmasked" and not (hasattr(kind, "unmasked") and hasattr(kind, "mask")):
        return ""
    # A result would be lost in a copy.
    filled = "" if name == "out" else f"{name}.filled(value) or "
    return f"is a masked array, whose mask would be lost: pass {filled}{name}.{plain}"


def _units(name: str, value: Any, kind: type) -> str:
    # xarray has attributes of such names that only describe.
    has = value if isinstance(value, np.ndarray) else kind
    if hasattr(has, "units") and hasattr(has, "magnitude"):
        plain = f"{name}.magnitude"
    elif isinstance(value, np.ndarray) and (hasattr(has, "unit") or hasattr(has, "units")):
        plain = f"{name}.value" if hasattr(has, "value") else f"np.asarray({name})"
    else:
        return ""
    return f"has a unit, which would be lost: pass {plain}"


def _sparse(name: str, value: Any, kind: type) -> str:
    if hasattr(kind, "nnz"):
        for method in ("toarray", "todense"):
            if hasattr(kind, method):
                return f"is sparse, which NumPy's arrays are not: pass {name}.{method}()"
    return ""


def _nulls(name: str, value: Any, kind: type) -> str:
    count = getattr(value, "null_count", 0) if hasattr(kind, "null_count") else 0
    count = count() if callable(count) else count
    return f"has {count} missing values: pass {name}.fill_null(value)" if count else ""


def _is_tensor(value: Any) -> bool:
    return isinstance(value, getattr(sys.modules.get("torch"), "Tensor", ()))


def _is_bfloat16(value: Any) -> bool:
    """Return whether value is a tensor of a type that PyTorch can't tell NumPy."""
    return _is_tensor(value) and value.dtype == sys.modules["torch"].bfloat16


def _tensor(name: str, value: Any, kind: type, alone: bool) -> str:
    """Say what of a PyTorch tensor NumPy has no word for, and all that is to be done about it."""
    if not _is_tensor(value):
        return ""
    if value.is_meta:
        return "is a tensor on the device meta, which has no values: pass one that has"
    strided = value.layout == sys.modules["torch"].strided
    unknown = _is_bfloat16(value) and not (alone and bfloat16())
    troubles = (
        (value.requires_grad, "requires grad", "detach"),
        (not strided, f"has the layout {value.layout}", "to_dense"),
        (value.is_quantized, "is quantized", "dequantize"),
        (value.device.type != "cpu", f"is on the device {value.device}", "cpu"),
        (value.is_conj(), "is conjugated lazily", "resolve_conj"),
        (value.is_neg(), "is negated lazily", "resolve_neg"),
        (unknown, "is of bfloat16, without ml_dtypes" if alone else "is of bfloat16", "float"),
    )
    found = [(what, f".{method}()") for true, what, method in troubles if true]
    if not found:
        return ""
    what, methods = zip(*found)
    return f"is a tensor that {' and '.join(what)}: pass {name}{''.join(methods)}"
