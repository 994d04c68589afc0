"""The operations as users' compiled code calls them: compiled ahead, once, and found by name.

Compiled into each caller, an operation would take 10 to 30 s of every user's compile. As it is, the
code of a caller has the name of a pointer to the operation, and what Numba keeps of it knows whom
to ask for the operation when it is loaded, in whatever process and of whatever version of
numbanorm. (Callbacks, for which Numba does not keep that, ask at their first call.) So neither the
names here nor their arguments may change: another signature is another name.
"""

import ctypes
from functools import cache
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from numbanorm._status import MEMORY, OK
from numbanorm.kernels import routes
from numbanorm.kernels.compile import bundles
from numbanorm.kernels.operations.finishing import put_variances
from numbanorm.kernels.operations.images import normalize as normalize_images
from numbanorm.kernels.operations.merging import update
from numbanorm.kernels.simd.pointers import BYTES, I64
from numbanorm.kernels.simd.storage import FLOATS, INTEGERS, compute_type

_POINTERS = {str(kind): types.CPointer(kind) for kind in FLOATS}
_PIXELS = {str(kind): types.CPointer(kind) for kind in INTEGERS} | _POINTERS


def moments(batch, outer, group, width, run, x, mean, var, workers):  # type: ignore[no-untyped-def]
    """See `routes.moments`; variances are what they are, if that is inf."""
    status = routes.moments((batch, outer, group, width, run), (x, mean, var), workers)
    if status == OK:
        put_variances(var, batch * group, 1.0)
    return status


def affine(batch, outer, group, width, run, y, x, weight, bias, mean, var, eps, backwards, workers):  # type: ignore[no-untyped-def]
    """See `routes.affine`."""
    view, args = (batch, outer, group, width, run), (y, x, weight, bias, mean, var, eps)
    return routes.affine(view, (*args, backwards != 0), workers)


def normalize(
    batch, outer, group, width, run, y, x, weight, bias, mean, var, eps, centred, workers
):  # type: ignore[no-untyped-def]
    """See `routes.normalize`; variances are what they are, if that is inf."""
    view, args = (batch, outer, group, width, run), (y, x, weight, bias, mean, var, eps)
    status = routes.normalize(view, (*args, centred != 0), workers)
    if status == OK:
        put_variances(var, batch * group, 1.0)
    return status


def backward(
    batch, outer, group, width, run,
    dx, dweight, dbias, dy, x, weight, mean, rstd, training, centred, workers,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """See `routes.backward`."""
    view, args = (batch, outer, group, width, run), (dx, dweight, dbias, dy, x, weight, mean, rstd)
    return routes.backward(view, (*args, training != 0, centred != 0), workers)


def scale(
    count, height, channels, one, width, images, y, x, mean, std, sets, most, planar, workers
):  # type: ignore[no-untyped-def]
    """See `images.normalize`."""
    args = images, y, x, mean, std, sets, most, planar != 0
    return normalize_images((count, height, channels, one, width), args, workers)


def update_moments(batch, outer, group, width, run, x, count, sums, values, workers):  # type: ignore[no-untyped-def]
    """See `merging.update`."""
    return update((batch, outer, group, width, run), x, count, sums, values, workers)


# Each operation and its arguments between view and workers: pointers to x's type, a result's,
# parameters, statistics and integers, numbers and flags.
OPERATIONS: dict[str, tuple[Any, str]] = {
    "moments": (moments, "xss"),
    "affine": (affine, "xxppssnf"),
    "normalize": (normalize, "xxppssnf"),
    "backward": (backward, "xppxxpssff"),
    "scale": (scale, "iyxssfnf"),
    "update_moments": (update_moments, "xiis"),
}

# The kinds of arrays each is compiled for: x's, or x's and its result's.
_KINDS = {operation: list(_POINTERS) for operation in OPERATIONS}
_KINDS["scale"] = [f"{x}_{y}" for x in _PIXELS for y in _POINTERS]
_KINDS["update_moments"] = list(_PIXELS)


class Loader(NamedTuple):
    """What finds an operation, when the code that calls it is compiled or loaded."""

    operation: str
    kind: str

    @property
    def symbol(self) -> str:
        """The name by which compiled code knows the pointer to it."""
        return f"nbn_jit_{self.operation}_{self.kind}"

    def __call__(self) -> None:
        """Compile it, or load it from the cache, unless that has been done."""
        _load(self)


_LOADERS = [Loader(operation, kind) for operation in OPERATIONS for kind in _KINDS[operation]]

# Pointers to operations, null until they are loaded; the last one is to what loads them.
_slots = (ctypes.c_void_p * (len(_LOADERS) + 1))()
_RESOLVER = "nbn_jit_resolve"

for _i, _name in enumerate([*(loader.symbol for loader in _LOADERS), _RESOLVER]):
    llvm.add_symbol(_name, ctypes.addressof(_slots) + _i * ctypes.sizeof(ctypes.c_void_p))


@ctypes.CFUNCTYPE(None, ctypes.c_int64)
def _resolve(number: int) -> None:
    _LOADERS[number]()


_slots[len(_LOADERS)] = ctypes.cast(_resolve, ctypes.c_void_p).value


@cache
def _load(loader: Loader) -> None:
    function, letters = OPERATIONS[loader.operation]
    first, _, second = loader.kind.partition("_")
    x, y = _PIXELS[first], _PIXELS[second or first]
    pointers = {
        "x": x,
        "y": y,
        "p": types.CPointer(compute_type(x.dtype)),
        "s": _POINTERS["float64"],
        "i": types.CPointer(types.int64),
    }
    kinds: dict[str, Any] = {"n": types.float64, "f": types.int64, **pointers}
    signature = types.int64(*[types.int64] * 5, *[kinds[one] for one in letters], types.int64)
    # Another name than the pointer's: the linker would take the one for the other.
    own = f"{loader.symbol}_code"
    entries: bundles.Entries = {own: (function, signature)}
    name = f"jit.{loader.operation}.{loader.kind}"
    _slots[_LOADERS.index(loader)] = bundles.addresses(name, lambda: entries, [own])[own]


def _pointer(builder: Any, name: str) -> Any:
    """Return what stands in a slot."""
    module = builder.module
    found = module.globals.get(name)
    return builder.load(ir.GlobalVariable(module, BYTES, name) if found is None else found)


def _called(builder: Any, loader: Loader, values: list[Any]) -> Any:
    """Generate the call of an operation, which is loaded first if it has not been."""
    result = cgutils.alloca_once_value(builder, I64(MEMORY))
    with builder.if_then(cgutils.is_null(builder, _pointer(builder, loader.symbol)), likely=False):
        kind = ir.FunctionType(ir.VoidType(), [I64]).as_pointer()
        resolver = builder.bitcast(_pointer(builder, _RESOLVER), kind)
        builder.call(resolver, [I64(_LOADERS.index(loader))])
    # Where it could not be loaded, Python has said why.
    address = _pointer(builder, loader.symbol)
    with builder.if_then(cgutils.is_not_null(builder, address)):
        kind = ir.FunctionType(I64, [value.type for value in values]).as_pointer()
        builder.store(builder.call(builder.bitcast(address, kind), values), result)
    return builder.load(result)


def _call(operation: str) -> Any:
    """Return an intrinsic ``(view, args, workers)`` that calls an operation."""
    _, letters = OPERATIONS[operation]
    wanted = [{"n": types.float64, "f": types.int64}.get(one) for one in letters]

    def typed(_: Any, view: Any, args: Any, workers: Any) -> Any:
        kinds = args[2].dtype, args[1].dtype
        kind = "_".join(map(str, kinds)) if operation == "scale" else str(args[0].dtype)
        loader = Loader(operation, kind)

        def codegen(context: Any, builder: Any, sig: Any, given: Any) -> Any:
            loader()
            context.active_code_library._reload_init.add(loader)
            view, args, workers = given
            values = cgutils.unpack_tuple(builder, args)
            for i, kind in enumerate(wanted):
                if kind is not None:
                    values[i] = context.cast(builder, values[i], sig.args[1][i], kind)
            values = [*cgutils.unpack_tuple(builder, view), *values]
            values.append(context.cast(builder, workers, sig.args[2], types.int64))
            return _called(builder, loader, values)

        return types.int64(view, args, workers), codegen

    typed.__name__ = operation
    return intrinsic(typed)


(
    call_moments, call_affine, call_normalize, call_backward, call_scale, call_update_moments,
) = map(_call, OPERATIONS)  # fmt: skip
