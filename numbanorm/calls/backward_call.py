"""`BackwardCall`: all of a backward call, checked, and in the memory that kernels take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, operations, order
from numbanorm.calls.given import as_array
from numbanorm.calls.plain import is_plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.plan.plan import Plan

    Array = NDArray[Any]


_FLOAT64 = np.dtype(np.float64)


class BackwardCall:
    """An x and its result's gradient, from which a norm's gradients are found.

    Building it finds every error there may be in it, and writes nothing.

    Parameters
    ----------
    dy : array_like
        Not checked yet, as mean, rstd, weight and out.
    x, plan, weight, out, given
        As of `numbanorm.calls.call.Call`.
    mean, rstd : array_like
        What the forward pass returned; no mean if not `centred`.
    centred : bool
        Whether x was normalised by its variance, or by its mean square.

    Attributes
    ----------
    x, dy, dx : ndarray, 1-d
        Memory of x, the gradient and the result, C-contiguous, in one order of elements.
    view : View
        What that memory is to a kernel.
    weight : ndarray, 1-d, or None
        The parameter.
    mean, rstd : ndarray, 1-d
        What x was normalised by; no mean, an empty array, if not `centred`.
    """

    __slots__ = (
        "_centred", "_out", "_result", "dx", "dy", "mean", "plan", "rstd", "view", "weight", "x",
    )  # fmt: skip

    def __init__(
        self,
        dy: Any,
        x: Array,
        plan: Plan,
        mean: Any,
        rstd: Any,
        weight: Any,
        out: Any = None,
        given: Any = None,
        centred: bool = True,
    ) -> None:
        self.plan, self._centred, self._out = plan, centred, out
        found = (mean, rstd) if centred else (rstd,)
        groups = (
            ((dy,), x.dtype, x.shape),
            ((weight,), checks.DTYPES[x.dtype], plan.parameters),
            (found, _FLOAT64, plan.statistics),
        )
        here = (
            (given is None or given is x) and dy is not None and not any(a is None for a in found)
        )
        if here and is_plain(x, out, groups, dy):
            self._result = np.empty(x.shape, x.dtype) if out is None else out
            self.x, self.dy, self.dx = x.ravel(), dy.ravel(), self._result.ravel()
            self.view = plan.view
        else:
            mean, rstd, weight = self._checked(dy, x, mean, rstd, weight, given)
        self.weight = None if weight is None else weight.ravel()
        self.mean, self.rstd = mean.ravel() if centred else np.empty(0), rstd.ravel()

    def _checked(
        self, dy: Any, x: Array, mean: Any, rstd: Any, weight: Any, given: Any
    ) -> tuple[Any, Array, Array | None]:
        """Arrange what is not as kernels take it; returns mean, rstd and weight."""
        plan, out = self.plan, self._out
        weight = checks.optional("weight", weight, x.dtype, plan.parameters)
        upstream = checks.like("dy", dy, x)
        mean = checks.statistic("mean", mean, plan.statistics) if self._centred else None
        rstd = checks.statistic("rstd", rstd, plan.statistics)
        if out is not None:
            sources = x if given is None else as_array("x", given), as_array("dy", dy)
            checks.out(out, sources, (weight, mean, rstd))
        self.x, axes, self.view = order.arrange(x, plan)
        self._result, self.dx = order.place(out, x.shape, x.dtype, axes)
        self.dy = order.in_order(upstream, axes)
        return mean, rstd, operations.computed(weight, checks.DTYPES[x.dtype])

    def sums(self) -> Array:
        """Return the sums of dy and of dy * x_hat, (2, C): the first part of `gradients`."""
        if self.x.size == 0:
            return np.zeros((2, math.prod(self.plan.parameters)))
        return operations.gradient_sums(self.dy, self.x, self.mean, self.rstd, self.view)

    def by_sums(self, sums: Array, count: int, training: bool) -> Array:
        """Return the gradient of x, whose statistics are of `count` values with such sums."""
        if self.x.size:
            found = self.mean, self.rstd, sums, count, self.view, training
            operations.input_gradient(self.dx, self.dy, self.x, self.weight, *found)
        return order.settle(self._out, self._result)

    def gradients(self, training: Any) -> tuple[Array, Array, Array]:
        """Return those of x, weight and bias, the last two in 1-d.

        In `training` mean and rstd are x's own, which depend on it.
        """
        if self.x.size:
            dweight, dbias = operations.backward(
                self.dx,
                self.dy,
                self.x,
                self.weight,
                self.mean,
                self.rstd,
                self.view,
                bool(training),
                self._centred,
            )
        else:
            size = math.prod(self.plan.parameters)
            dweight, dbias = np.zeros((2, size), checks.DTYPES[self.x.dtype])
        return order.settle(self._out, self._result), dweight, dbias
