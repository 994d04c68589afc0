"""Compiling ahead: the kernels that a norm may take for any array, without one."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, lookup, operations
from numbanorm.calls.finishing import handed_over
from numbanorm.plan import routes
from numbanorm.plan import view as views
from numbanorm.prebuilt import library
from numbanorm.threads import caches, counts, workers

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

# Shapes (n, channels, spatial) among which every way through the kernels is taken.
_SIZES = (1, 2, 5, 8, 200, 10_000), (1, 2, 8, 64, 2048), (1, 2, 20, 130, 10_000)
_GROUPS = 1, 2, 8

Step = tuple[str, Callable[[], Any]]


def _views(norm: str) -> Iterator[views.View]:
    """Yield views of a norm, of all kinds."""
    for n, channels, spatial in itertools.product(*_SIZES):
        if norm in ("layer", "rms"):
            yield views.row_view(n, channels)
            continue
        for first in (True, False):
            if norm == "batch":
                yield views.batch_view(first, n, channels, spatial)
            elif norm == "instance":
                yield views.instance_view(first, n, channels, spatial)
            else:
                for groups in _GROUPS:
                    if channels % groups == 0:
                        yield views.group_view(first, n, channels, spatial, groups)


NORMS = "batch", "instance", "group", "layer", "rms", "images"


def _routes(norm: str) -> set[tuple[str, int]]:
    """Return the operations that a norm may come to, and along which way through memory."""
    found: set[tuple[str, int]] = set()
    if norm == "images":
        return found
    for view in _views(norm):
        ways = {routes.forward_route(view, 16, number) for number in (1, 2, 16)}
        found |= {("normalize", way) for way in ways if way != routes.TWO_PASSES}
        if norm == "batch" or routes.TWO_PASSES in ways:
            found |= {
                ("moments", routes.moments_route(view)),
                ("affine", routes.affine_route(view)),
            }
        found |= {("backward", routes.backward_route(view, training)) for training in (True, False)}
    return found


def _given(operation: str, dtype: np.dtype[Any]) -> list[tuple[Any, ...]]:
    """Return examples of an operation's arguments; see `numbanorm.calls.operations`."""
    x, parameter = handed_over(np.empty(0, dtype)), np.empty(0, checks.DTYPES[dtype])
    wide = np.empty(0)
    if operation == "normalize":
        return [(x, x, parameter, parameter, wide, wide, 0.0, True)]
    if operation == "affine":
        # By statistics just found, and by running ones.
        known = wide, parameter
        return [(x, x, parameter, parameter, found, found, 0.0, True) for found in known]
    if operation == "moments":
        return [(x, wide, wide)]
    return [(x, parameter, parameter, x, x, parameter, wide, wide, True, True)]


def _steps(norms: Iterable[str], dtypes: Iterable[np.dtype[Any]], jit: bool, c: bool) -> list[Step]:
    """Return what is to be compiled: its name, and what compiles it."""
    steps: dict[tuple[Any, ...], Step] = {
        ("threads",): ("threads", workers.get_ready),
        ("caches",): ("caches", _measure),
    }
    for dtype in dtypes:
        if library.loaded() is None:
            steps |= _of_norms(norms, dtype)
        if jit:
            steps |= _for_numba(dtype)
        if c:
            steps["c", dtype] = f"C functions, {dtype}", partial(_c, dtype)
    return list(steps.values())


def _of_norms(norms: Iterable[str], dtype: np.dtype[Any]) -> dict[tuple[Any, ...], Step]:
    """Return what functions and layers need, where Numba compiles that."""
    steps: dict[tuple[Any, ...], Step] = {
        (operation, way, dtype): _operation(operation, way, dtype)
        for norm in norms
        for operation, way in sorted(_routes(norm))
    }
    if "images" in norms:
        steps["images", dtype] = f"images of uint8, to {dtype}", partial(_images, dtype)
    steps[dtype,] = f"statistics, {dtype}", partial(_finish, dtype)
    return steps


def _measure() -> None:
    """Find out from where on results are best written past the caches, unless that is known."""
    if not caches.is_measured():
        caches.measure(operations.copy, counts.get())
        caches.set_limits()


def _operation(operation: str, way: int, dtype: np.dtype[Any]) -> Step:
    kernels = lookup.kernels()
    ways = {"backward": kernels.backward, "moments": kernels.moments}.get(
        operation, kernels.forward
    )
    module = ways[way]
    driver = getattr(module, operation).driver
    name = f"{module.__name__.rpartition('.')[2]}.{operation}, {dtype}"

    def compile_all() -> None:
        for args in _given(operation, dtype):
            _compile(driver, (0,) * 5, args, 1)

    return name, compile_all


def _images(dtype: np.dtype[Any]) -> None:
    """Compile what is done with decoded images."""
    kernels, x, table = lookup.kernels(), np.empty(0, np.uint8), np.empty(0, np.int64)
    y, numbers = handed_over(np.empty(0, dtype)), np.empty(0)
    args = table, y, x, numbers, numbers, 1, 255.0, True
    _compile(kernels.images.normalize.driver, (0,) * 5, args, 1)
    _compile(kernels.summaries.summarize.driver, (0,) * 5, (x, table, numbers), 1)


def _finish(dtype: np.dtype[Any]) -> None:
    """Compile what is done with statistics."""
    finishing = lookup.kernels().finishing
    wide, counter = np.empty(0), np.zeros((), np.int64)
    # Running statistics may be of either type, each on its own.
    either = [handed_over(np.empty(0, kind)) for kind in {dtype, checks.DTYPES[dtype]}]
    for mean, var in itertools.product(either, either):
        _compile(finishing.update, mean, var, counter, wide, wide, 1, 1, 1, 0.1)
    for found in (*either, wide):
        _compile(finishing.statistics, wide, wide, found, found, 0.0)
    _compile(finishing.divide_by, wide, np.empty(0, checks.DTYPES[dtype]), wide)
    _compile(finishing.variances, wide, 1.0)
    _compile(finishing.mean_squares, wide, wide)
    # Given statistics are float64, or float32 beside any x.
    for given in (*either, np.empty(0, np.float32)):
        _compile(finishing.widen, wide, given)


def _for_numba(dtype: np.dtype[Any]) -> dict[tuple[Any, ...], Step]:
    from numbanorm.kernels import ahead

    loaders: list[Any] = [ahead.Loader(operation, str(dtype)) for operation in ahead.OPERATIONS]
    return {one: (f"for Numba: {one.operation}, {dtype}", one) for one in loaders}


def _c(dtype: np.dtype[Any]) -> None:
    from numbanorm import cabi

    kind = "bf16" if dtype.name == "bfloat16" else f"f{8 * dtype.itemsize}"
    cabi.address(f"nbn_layer_norm_{kind}")


def _compile(dispatcher: Any, *args: Any) -> None:
    """Compile for the types of these arguments, or load that."""
    import numba

    dispatcher.compile(tuple(map(numba.typeof, args)))


def warmup(
    norms: Iterable[str] | None = None,
    dtypes: Iterable[DTypeLike] | None = None,
    *,
    jit: bool = False,
    c: bool = False,
    progress: bool = False,
) -> None:
    """Compile all that norms may need, or load it from the cache.

    A first call compiles for some seconds what its array's shape and dtype need. After a warm-up no
    call of these norms and dtypes compiles anything, in this process or in another that reads the
    cache: do it when a container image is built, or before a server takes requests. Kernels that
    were compiled ahead need none.

    It also measures, once on a machine, from which size on results are best written past the
    caches, where without it the caches' sizes decide; `numbanorm info` shows what holds.

    Parameters
    ----------
    norms : iterable of {'batch', 'instance', 'group', 'layer', 'rms', 'images'}, optional
        Those wanted, all if not given. 'batch' includes the statistics of channels; 'images' are
        those of uint8, to each dtype.
    dtypes : iterable of dtype_like, optional
        Of x, or of what becomes of images; float32 and float64 if not given.
    jit : bool
        Whether to compile what `numbanorm.jit` offers to Numba code, too.
    c : bool
        Whether to compile the functions of `numbanorm.cabi` too, about a minute for each dtype.
    progress : bool
        Whether to draw a bar on stderr.

    Raises
    ------
    ValueError
        If a norm is unknown.
    TypeError
        If a dtype is not one that x may have.

    Examples
    --------
    >>> import numbanorm as nbn
    >>> nbn.warmup(["rms"], ["float32"])
    """
    wanted = checks.norms(NORMS if norms is None else norms, NORMS)
    usual = np.float32, np.float64
    given = [dtypes] if isinstance(dtypes, str) else dtypes
    kinds = [checks.dtype(kind) for kind in (usual if given is None else given)]
    steps = _steps(wanted, kinds, jit, c)
    for done, (name, step) in enumerate(steps):
        if progress:
            _draw(done, len(steps), name)
        step()
    if progress:
        _draw(len(steps), len(steps), "done")


def _draw(done: int, steps: int, name: str) -> None:
    """Draw a bar, over the last one where stderr is a terminal."""
    terminal = sys.stderr.isatty()
    bar = "#" * (24 * done // steps)
    line = f"[{bar:<24}] {done}/{steps} {name}"
    end = "\n" if done == steps or not terminal else ""
    print(f"\r{line:<72}" if terminal else line, end=end, file=sys.stderr, flush=True)
