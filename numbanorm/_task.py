"""One array to be normalised or differentiated: between what is checked and what kernels take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from numbanorm import _checks, _memory, _run, _view
from numbanorm._given import as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm._plan import View
    from numbanorm._shapes import Plan

    Array = NDArray[Any]


class Task:
    """One array to be normalised, or differentiated, as a norm plans it.

    Attributes
    ----------
    x : ndarray
        The array, checked.
    dtype : dtype
        That of its parameters and running arrays.
    plan : Plan
        What the norm makes of its shape; set by the norm.
    """

    __slots__ = "_given", "dtype", "plain", "plan", "x"

    plan: Plan

    def __init__(self, x: Any) -> None:
        self._given, self.plain = x, False
        self.x = _checks.data("x", x)
        self.dtype = _checks.DTYPES[self.x.dtype]

    def is_plain(self, out: Any, *others: Any) -> bool:
        """Return whether kernels can take x, `out` and others, of the parameters' shape, as is.

        That is what almost every call brings: arrays in C order, writeable, of x's dtype, with
        memory of their own, all but x perhaps None. There is nothing left to check about them then,
        and it takes a microsecond to tell.
        """
        x, shape = self.x, self.plan.parameters
        dtype, flags = x.dtype, x.flags
        owned = flags.owndata
        if x is not self._given or not flags.c_contiguous:
            return False
        for array in others:
            if array is not None:
                # NumPy has one object for a dtype in native order, but for those with metadata.
                if type(array) is not ndarray or array.dtype is not dtype or array.shape != shape:
                    return False
                flags = array.flags
                if array is out or not flags.carray:
                    return False
                owned = owned and flags.owndata
        if out is not None:
            if type(out) is not ndarray or out.dtype is not dtype or out.shape != x.shape:
                return False
            flags = out.flags
            # Two owners of memory have two memories.
            if not flags.carray or (
                not (owned and flags.owndata)
                and _memory.overlapping(out, others if out is x else (x, *others))
            ):
                return False
        self.plain = True
        return True

    def parameters(self, weight: Any, bias: Any) -> tuple[Any, Any]:
        """Return the weight and the bias, which may be None, checked."""
        shape = self.plan.parameters
        if weight is not None:
            weight = _checks.parameter("weight", weight, self.dtype, shape)
        if bias is not None:
            bias = _checks.parameter("bias", bias, self.dtype, shape)
        return weight, bias

    def running(self, mean: Any, var: Any, training: bool) -> tuple[Any, Any]:
        """Return running statistics, checked: in training those to be updated, if not None."""
        shape = self.plan.parameters
        if training:
            if mean is not None:
                mean = _checks.running("running_mean", mean, self.dtype, shape)
            if var is not None:
                var = _checks.running("running_var", var, self.dtype, shape)
            return mean, var
        mean = _checks.statistic("running_mean", mean, shape)
        var = _checks.statistic("running_var", var, shape)
        if mean.dtype == var.dtype == self.dtype:
            return mean, var
        return _run.widened(mean), _run.widened(var)

    def check_out(self, out: Any, *others: Any) -> None:
        """Check where the result goes: it may be x, and no part of anything else."""
        if out is not None:
            _checks.out(out, (as_array("x", self._given),), others)

    def _memory(self, out: Any) -> tuple[Array, Array, Array, View]:
        """Return the result, its memory and x's in 1-d, and what these are to a kernel.

        The result is `out` if its memory has the order of x's, else a new array.
        """
        x, plan = self.x, self.plan
        if self.plain:
            y = np.empty(x.shape, x.dtype) if out is None else out
            return y, y.ravel(), x.ravel(), plan.view
        memory, axes, view = self._arranged()
        y, target = _view.place(out, x.shape, x.dtype, axes)
        return y, target, memory, view

    def _arranged(self) -> tuple[Array, _view.Axes, View]:
        """Return x's memory in 1-d, the order of axes in it, and what it is to a kernel."""
        memory, axes = _view.arrange(self.x, self.plan.axes)
        return memory, axes, self.plan.view if axes is None else self.plan.swapped

    def moments(self) -> tuple[Array, Array]:
        """Return the mean and biased variance of each statistic, float64; NaN if x is empty."""
        memory, _, view = self._arranged()
        if memory.size:
            return _run.moments(memory, view, self.plan.statistics)
        return self._nothing()

    def _nothing(self) -> tuple[Array, Array]:
        mean, var = np.full((2, *self.plan.statistics), np.nan)
        return mean, var

    def normalize(
        self, weight: Any, bias: Any, eps: float, out: Any, centred: bool = True
    ) -> tuple[Array, Array, Array]:
        """Return y and the mean and biased variance of each statistic, float64; NaN if x is empty.

        If not `centred`, the means are 0 and the variances mean squares.
        """
        y, target, memory, view = self._memory(out)
        if memory.size:
            if len(self.plan.parameters) > 1:
                weight, bias = _flat(weight), _flat(bias)
            shape = self.plan.statistics
            mean, var = _run.normalize(target, memory, weight, bias, eps, view, shape, centred)
        else:
            mean, var = self._nothing()
        return _settle(out, y), mean, var

    def affine(
        self, weight: Any, bias: Any, mean: Array, var: Array, eps: float, out: Any
    ) -> Array:
        """Return x normalised by given means and variances."""
        y, target, memory, view = self._memory(out)
        if memory.size:
            _run.affine(target, memory, weight, bias, mean, var, eps, view)
        return _settle(out, y)

    def backward(
        self,
        dy: Any,
        mean: Any,
        rstd: Any,
        weight: Any,
        training: Any,
        out: Any,
        centred: bool = True,
    ) -> tuple[Array, Array, Array]:
        """Return the gradients of x, weight and bias; the last two in 1-d.

        If not `centred`, x was normalised by its mean square, and there is no mean.
        """
        upstream, shape = _checks.like("dy", dy, self.x), self.plan.statistics
        mean = _checks.statistic("mean", mean, shape) if centred else None
        rstd = _checks.statistic("rstd", rstd, shape)
        if out is not None:
            sources = as_array("x", self._given), as_array("dy", dy)
            _checks.out(out, sources, (weight, mean, rstd))
        memory, axes, view = self._arranged()
        dx, target = _view.place(out, self.x.shape, self.x.dtype, axes)
        if self.x.size == 0:
            dweight, dbias = np.zeros((2, math.prod(self.plan.parameters)), self.dtype)
        else:
            upstream = _view.in_order(upstream, axes)
            weight, mean = _flat(weight), np.empty(0) if mean is None else mean.ravel()
            dweight, dbias = _run.backward(
                target,
                upstream,
                memory,
                weight,
                mean,
                rstd.ravel(),
                view,
                bool(training),
                centred,
            )
        return _settle(out, dx), dweight, dbias


def _flat(parameter: Array | None) -> Array | None:
    return None if parameter is None else parameter.ravel()


def _settle(out: Array | None, y: Array) -> Array:
    """Return out, holding y, which is out itself or was computed beside it; y without an out."""
    if out is None or out is y:
        return y
    np.asarray(out)[...] = y
    return out
