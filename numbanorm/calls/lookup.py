"""The compiled operations: imported when first needed, and which of them a view needs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from numbanorm.plan import routes
from numbanorm.plan.view import View
from numbanorm.prebuilt import functions, library
from numbanorm.threads import caches, counts

_loaded: Any = None


class _Kernels:
    """The kernels' modules, or what stands for them where kernels are compiled ahead."""

    def __init__(self, found: Any) -> None:
        along, across, rows = routes.ALONG, routes.ACROSS, routes.ROWS
        self.moments = {along: found.moments_along, across: found.moments_across}
        self.forward = {
            along: found.forward_along, across: found.forward_across, rows: found.forward_rows,
        }  # fmt: skip
        self.backward = {
            along: found.backward_along, across: found.backward_across, rows: found.backward_rows,
            routes.FEW: found.backward_few,
        }  # fmt: skip
        self.copying, self.finishing = found.copying, found.finishing
        self.images, self.summaries, self.merging = found.images, found.summaries, found.merging
        self.parts = found.backward_parts


def _modules() -> Any:
    """Return what kernels are called by. Without a library this is what first imports Numba."""
    if library.loaded() is not None:
        caches.set_limits()
        return functions.modules()
    # By their names, for whoever looks for what a program imports.
    import numbanorm.kernels.operations.backward_across
    import numbanorm.kernels.operations.backward_along
    import numbanorm.kernels.operations.backward_few
    import numbanorm.kernels.operations.backward_parts
    import numbanorm.kernels.operations.backward_rows
    import numbanorm.kernels.operations.copying
    import numbanorm.kernels.operations.finishing
    import numbanorm.kernels.operations.forward_across
    import numbanorm.kernels.operations.forward_along
    import numbanorm.kernels.operations.forward_rows
    import numbanorm.kernels.operations.images
    import numbanorm.kernels.operations.merging
    import numbanorm.kernels.operations.moments_across
    import numbanorm.kernels.operations.moments_along
    import numbanorm.kernels.operations.summaries

    return numbanorm.kernels.operations


def kernels() -> Any:
    """Return the kernel modules: operations by their routes, and those that have only one."""
    global _loaded
    if _loaded is None:
        with counts.importing:
            _loaded = _Kernels(_modules())
    return _loaded


# Small calls come by the thousand with one view: which operation it needs is kept.
_kept = lru_cache(maxsize=1 << 10)


@_kept
def moments(view: View) -> Any:
    """Return the operation that finds statistics alone."""
    return kernels().moments[routes.moments_route(view)].moments


@_kept
def affine(view: View) -> Any:
    """Return the operation that normalises by given statistics."""
    return kernels().forward[routes.affine_route(view)].affine


@_kept
def normalize(view: View, lanes: int, workers: int) -> Any:
    """Return the operation that does both, or None if it takes two passes."""
    route = routes.forward_route(view, lanes, workers)
    return None if route == routes.TWO_PASSES else kernels().forward[route].normalize


@_kept
def backward(view: View, training: bool) -> Any:
    """Return the operation that finds gradients."""
    return kernels().backward[routes.backward_route(view, training)].backward
