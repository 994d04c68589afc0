"""One array to be normalised or differentiated: between what is checked and what kernels take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm import _checks, _plan, _run, _view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Task:
    """One array to be normalised, or differentiated, as a norm views it.

    Attributes
    ----------
    x : ndarray
        The array, checked.
    dtype : dtype
        That of its parameters and statistics.
    memory : ndarray
        x's elements in 1-d, in the order `axes` of x's axes.
    view : tuple of int
        (batch, outer, group, width, run); see `numbanorm._plan`.
    """

    def __init__(self, x: Any) -> None:
        self._given = x
        self.x = _checks.data("x", x)
        self.dtype = _checks.DTYPES[self.x.dtype]

    def parameters(self, weight: Any, bias: Any, shape: tuple[int, ...]) -> tuple[Any, Any]:
        """Return the weight and the bias, which may be None, checked."""
        if weight is not None:
            weight = _checks.parameter("weight", weight, self.dtype, shape)
        if bias is not None:
            bias = _checks.parameter("bias", bias, self.dtype, shape)
        return weight, bias

    def look(self, view: Callable[..., _plan.View], layout: str, *groups: int) -> None:
        """Find x's memory and the view of it that a norm with channels takes."""
        self._layout = layout
        self.memory, first, self._axes = _view.arrange(self.x, layout)
        self.view = view(first, *_view.sizes(self.x.shape, layout), *groups)

    def look_rows(self, size: int) -> None:
        """Find x's memory and the view of rows of `size` elements."""
        # Rows are the last axes, in memory too: there is no other order to keep.
        self._layout, self._axes = "NCHW", None
        self.memory = np.ascontiguousarray(self.x).ravel()
        self.view = _plan.row_view(self.x.size // size if size else 0, size)

    @property
    def count(self) -> int:
        """The number of statistics."""
        return self.view[0] * self.view[2]

    def check_out(self, out: Any, *others: Any) -> None:
        """Check where the result goes: it may be x, and no part of anything else."""
        if out is not None:
            _checks.out(out, (_checks.as_array("x", self._given),), others)

    def normalize(
        self, weight: Any, bias: Any, eps: float, out: Any, centred: bool = True
    ) -> tuple[Array, Array, Array]:
        """Return y and the mean and biased variance of each statistic, float64; NaN if x is empty.

        If not `centred`, the means are 0 and the variances mean squares.
        """
        y, target = _view.place(out, self.x.shape, self.x.dtype, self._axes, self._layout)
        if self.x.size == 0:
            mean, var = np.full((2, self.count), np.nan)
        else:
            weight, bias = _flat(weight), _flat(bias)
            mean, var = _run.normalize(target, self.memory, weight, bias, eps, self.view, centred)
        return settle(out, y), mean, var

    def affine(
        self, weight: Any, bias: Any, mean: Array, var: Array, eps: float, out: Any
    ) -> Array:
        """Return x normalised by given means and variances."""
        y, target = _view.place(out, self.x.shape, self.x.dtype, self._axes, self._layout)
        if self.x.size:
            _run.affine(target, self.memory, weight, bias, mean, var, eps, self.view)
        return settle(out, y)

    def backward(
        self,
        dy: Any,
        mean: Any,
        rstd: Any,
        shape: tuple[int, ...],
        weight: Any,
        training: Any,
        out: Any,
        centred: bool = True,
    ) -> tuple[Array, Array, Array]:
        """Return the gradients of x, weight and bias, for statistics of this shape.

        If not `centred`, x was normalised by its mean square, and there is no mean.
        """
        upstream = _checks.like("dy", dy, self.x)
        if centred:
            given = {"mean": mean, "rstd": rstd}
            mean, rstd = _checks.statistics(given, self.dtype, shape)
        else:
            (rstd,) = _checks.statistics({"rstd": rstd}, self.dtype, shape)
            mean = None
        if out is not None:
            sources = _checks.as_array("x", self._given), _checks.as_array("dy", dy)
            _checks.out(out, sources, (weight, mean, rstd))
        dx, target = _view.place(out, self.x.shape, self.x.dtype, self._axes, self._layout)
        slots = self.view[2] * self.view[3]
        if self.x.size == 0:
            dweight, dbias = np.zeros((2, slots), self.dtype)
        else:
            upstream = _view.in_order(upstream, self._axes)
            weight, mean = _flat(weight), np.empty(0) if mean is None else mean.ravel()
            dweight, dbias = _run.backward(
                target,
                upstream,
                self.memory,
                weight,
                mean,
                rstd.ravel(),
                self.view,
                bool(training),
                centred,
            )
        return settle(out, dx), dweight, dbias


def _flat(parameter: Array | None) -> Array | None:
    return None if parameter is None else parameter.ravel()


def settle(out: Array | None, y: Array) -> Array:
    """Return out, holding y, which is out itself or was computed beside it; y without an out."""
    if out is None:
        return y
    if y is not out:
        np.asarray(out)[...] = y
    return out
