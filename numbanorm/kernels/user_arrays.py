"""Arrays that a user's compiled code passes: read where they are, or refused when it compiles.

A kernel takes pointers, to which an array of another dtype or other strides would be wrong numbers.
"""

import math
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from numbanorm._status import OK, Status
from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.simd.pointers import I64, put
from numbanorm.kernels.simd.sixteen import bfloat16, float16
from numbanorm.kernels.simd.storage import FLOATS, INTEGERS, compute_type
from numbanorm.kernels.tiles import size_of

SIZE, EPS = int(Status.SIZE), int(Status.EPS)


def _checked(array: Any, like: Any, writes: bool, parameter: bool) -> Any:
    """Return the pointer type of an array with the dtype of `like`, an array or a number.

    A `parameter` has that which is computed with.
    """
    given = like.dtype if isinstance(like, types.Array) else like
    if given not in FLOATS:
        raise TypingError(
            f"arrays must be float32, float64, jit.float16(x) or jit.bfloat16(x), got {given}"
        )
    kind = compute_type(given) if parameter else given
    if isinstance(array, types.NoneType):
        return types.CPointer(kind)
    if not isinstance(array, types.Array):
        raise TypingError(f"an argument must be an array, got {array}")
    if array.dtype != kind:
        what = "like x" if isinstance(like, types.Array) else "as statistics are"
        what = what if kind == given else f"as parameters beside {given} are"
        raise TypingError(f"an array must be {kind}, {what}, got {array.dtype}")
    if array.layout != "C":
        raise TypingError(f"an array must be C-contiguous, got {array}")
    if writes and not array.mutable:
        raise TypingError(f"an array that is written must be writeable, got {array}")
    return types.CPointer(kind)


def _access(name: str, writes: bool, may_lack: bool) -> Any:
    """Return an intrinsic ``(array, like)``: a pointer to an array of the dtype of `like`."""

    def typed(_: Any, array: Any, like: Any) -> Any:
        if isinstance(array, types.NoneType) and not may_lack:
            raise TypingError("only weight, bias and their gradients may be None")
        pointer = _checked(array, like, writes, may_lack)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            none = ir.Constant(context.get_value_type(pointer), None)
            if isinstance(array, types.NoneType):
                return none
            struct = cgutils.create_struct_proxy(array)(context, builder, args[0])
            if not may_lack:
                return struct.data
            empty = builder.icmp_unsigned("==", struct.nitems, I64(0))
            return builder.select(empty, none, struct.data)

        return pointer(array, like), codegen

    typed.__name__ = name
    return intrinsic(typed)


read = _access("read", writes=False, may_lack=False)
written = _access("written", writes=True, may_lack=False)
read_if_any = _access("read_if_any", writes=False, may_lack=True)
written_if_any = _access("written_if_any", writes=True, may_lack=True)


def of_kinds(name: str, what: str, known: tuple[Any, ...], writes: bool, ndim: int = 0) -> Any:
    """Return an intrinsic ``(array)``: a pointer to the first element of an array of some dtypes.

    It is C-contiguous, or else has `ndim` dimensions; `what` says so in messages.
    """

    def typed(_: Any, array: Any) -> Any:
        known_rank = isinstance(array, types.Array) and ndim in (0, array.ndim)
        if not known_rank or array.dtype not in known:
            raise TypingError(f"{what} of {', '.join(map(str, known))}, got {array}")
        if ndim == 0 and array.layout != "C":
            raise TypingError(f"an array must be C-contiguous, got {array}")
        if writes and not array.mutable:
            raise TypingError(f"an array that is written must be writeable, got {array}")

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return cgutils.create_struct_proxy(array)(context, builder, args[0]).data

        return types.CPointer(array.dtype)(array), codegen

    typed.__name__ = name
    return intrinsic(typed)


read_pixels = of_kinds("read_pixels", "an array must be", (*INTEGERS, *FLOATS), writes=False)
written_integers = of_kinds("written_integers", "an array must be", (types.int64,), writes=True)


def _seen_as(kind: Any) -> Any:
    """Return an intrinsic that sees an array of 16-bit integers as one of floats."""

    def typed(_: Any, array: Any) -> Any:
        if not isinstance(array, types.Array) or array.dtype != types.uint16:
            raise TypingError(
                f"{kind} must be given a uint16 array, x.view(np.uint16), got {array}"
            )
        result = array.copy(dtype=kind)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return impl_ret_borrowed(context, builder, result, args[0])

        return result(array), codegen

    typed.__name__ = f"as_{kind}"
    return intrinsic(typed)


as_float16, as_bfloat16 = _seen_as(float16), _seen_as(bfloat16)


@intrinsic
def elements(_: Any, array: Any) -> Any:
    """Return an array's size, or 0 for None."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if isinstance(array, types.Array):
            return cgutils.create_struct_proxy(array)(context, builder, args[0]).nitems
        return I64(0)

    return types.int64(array), codegen


@inlined
def fits(view, x, mean, var, weight, bias):
    """Return whether x, statistics and parameters have the sizes of a view."""
    found, slots = view[0] * view[2], view[2] * view[3]
    weights, biases = elements(weight), elements(bias)
    given = (weights == slots or weights == 0) and (biases == slots or biases == 0)
    return given and x.size == size_of(view) and mean.size == var.size == found


@inlined
def forward_status(view, y, x, mean, var, weight, bias, eps):
    """Return what is wrong with the arguments of a forward pass, or `OK`."""
    if y.size != x.size or not fits(view, x, mean, var, weight, bias):
        return SIZE
    return OK if 0.0 <= eps < math.inf else EPS


@inlined
def fill(p, count, value):
    """Set the elements behind a pointer to a value."""
    for i in range(count):
        put(p, i, value)
