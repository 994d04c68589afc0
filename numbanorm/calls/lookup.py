"""The compiled operations: imported when first needed, and which of them a view needs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from numbanorm.plan import routes
from numbanorm.plan.view import View
from numbanorm.threads import counts

_loaded: Any = None


class _Kernels:
    """The kernel modules, imported together: this is what first imports Numba."""

    def __init__(self) -> None:
        from numbanorm.kernels.operations import (
            backward_across,
            backward_along,
            backward_few,
            backward_parts,
            backward_rows,
            copying,
            finishing,
            forward_across,
            forward_along,
            forward_rows,
            images,
            merging,
            moments_across,
            moments_along,
            summaries,
        )

        along, across, rows = routes.ALONG, routes.ACROSS, routes.ROWS
        self.moments = {along: moments_along, across: moments_across}
        self.forward = {along: forward_along, across: forward_across, rows: forward_rows}
        self.backward = {along: backward_along, across: backward_across, rows: backward_rows}
        self.backward[routes.FEW] = backward_few
        self.copying, self.finishing = copying, finishing
        self.images, self.summaries, self.merging = images, summaries, merging
        self.parts = backward_parts


def kernels() -> Any:
    """Return the kernel modules: operations by their routes, and those that have only one."""
    global _loaded
    if _loaded is None:
        with counts.importing:
            _loaded = _Kernels()
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
