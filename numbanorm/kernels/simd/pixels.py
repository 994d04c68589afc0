"""A vector's worth of pixels of few channels at once, brought into another order.

An order is a pair of intrinsics: ``read(x, plane)`` returns a tuple of as many vectors as there are
channels, and ``move(to, x, plane)`` writes them, with elements as they are. It is planes, the first
vector being of the first channel and so on, or pixels side by side; and so is what is read: from x
on, the first element of the first pixel in memory, or if these are planes, `plane` elements apart.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from numbanorm.kernels.simd.storage import STORAGE, bytes_of
from numbanorm.kernels.simd.vec import I32, lanes_of, native

Order = tuple[Any, Any]


def _block(builder: Any, p: Any, dtype: Any, count: int) -> Any:
    """Return the address of so many elements as that of a vector."""
    kind = ir.VectorType(STORAGE[dtype].element, count)
    return builder.bitcast(p, kind.as_pointer())


def _read(builder: Any, p: Any, dtype: Any, count: int) -> Any:
    value = builder.load(_block(builder, p, dtype, count))
    value.align = bytes_of(dtype)
    return value


def _nth(builder: Any, p: Any, plane: Any, c: int) -> Any:
    return builder.gep(p, [builder.mul(plane, ir.Constant(plane.type, c))])


def _shuffled(builder: Any, first: Any, second: Any, order: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(I32, len(order)), order)
    return builder.shuffle_vector(first, second, mask)


def _order(
    name: str, channels: int, planar: bool, vectors: Callable[[Any, Any, Any, Any], list[Any]]
) -> Order:
    """Return an order by what generates its vectors, ``(builder, x, plane, dtype)``."""

    def read(_: Any, x: Any, plane: Any) -> Any:
        result: Any = types.Tuple([native(x.dtype)] * channels)

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            found = vectors(builder, args[0], args[1], x.dtype)
            loaded = [STORAGE[x.dtype].loaded(builder, one) for one in found]
            return context.make_tuple(builder, result, loaded)

        return result(x, types.int64), codegen

    def move(_: Any, to: Any, x: Any, plane: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            where, x_at, plane_at = args
            for c, value in enumerate(vectors(builder, x_at, plane_at, x.dtype)):
                between = plane_at if planar else ir.Constant(plane_at.type, value.type.count)
                there = _block(builder, _nth(builder, where, between, c), x.dtype, value.type.count)
                builder.store(value, there).align = bytes_of(x.dtype)
            return context.get_dummy_value()

        return types.void(to, x, types.int64), codegen

    for one, how in ((read, "read"), (move, "move")):
        one.__name__ = one.__qualname__ = f"{how}_{name}"
    return intrinsic(read), intrinsic(move)


def from_pixels(channels: int, planar: bool, turned: bool, reversed_: bool = False) -> Order:
    """Return pixels of so many channels as planes, or as pixels.

    They are `turned`, the last one first, or not; their channels `reversed_`, or not.
    """

    def vectors(builder: Any, x: Any, plane: Any, dtype: Any) -> list[Any]:
        count = lanes_of(dtype)
        block = _read(builder, x, dtype, count * channels)
        places = [
            (count - 1 - k if turned else k) * channels + (channels - 1 - c if reversed_ else c)
            for k in range(count)
            for c in range(channels)
        ]
        if planar:
            wanted = [places[c::channels] for c in range(channels)]
        else:
            wanted = [places[i : i + count] for i in range(0, len(places), count)]
        return [_shuffled(builder, block, block, one) for one in wanted]

    how = f"{'_turned' if turned else ''}{'_reversed' if reversed_ else ''}"
    return _order(f"{'planes' if planar else 'pixels'}_{channels}{how}", channels, planar, vectors)


def from_planes(channels: int) -> Order:
    """Return planes as pixels of so many channels, 3 or 4."""

    def vectors(builder: Any, x: Any, plane: Any, dtype: Any) -> list[Any]:
        count = lanes_of(dtype)
        found = [_read(builder, _nth(builder, x, plane, c), dtype, count) for c in range(channels)]
        found += [found[-1]] * (channels % 2)
        first, second = (
            _shuffled(builder, a, b, list(range(2 * count)))
            for a, b in zip(found[::2], found[1::2])
        )
        places = [c * count + k for k in range(count) for c in range(channels)]
        wanted = [places[i : i + count] for i in range(0, len(places), count)]
        return [_shuffled(builder, first, second, one) for one in wanted]

    return _order(f"interleaved_{channels}", channels, False, vectors)
