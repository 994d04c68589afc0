"""`Call` and `BackwardCall`: all of one call, checked, and in the memory that kernels take.

Who builds one finds every error there may be in it, and has written nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from numbanorm.calls import checks, memory, operations, order
from numbanorm.calls.given import as_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.plan.plan import Plan

    Array = NDArray[Any]


class Call:
    """An x to be normalised, as a norm plans it.

    Parameters
    ----------
    x : ndarray
        Checked, by `checks.data`.
    plan : Plan
        What the norm makes of x's shape.
    weight, bias : array_like, optional
        Not checked yet, as the running statistics and `out`.
    out : ndarray, optional
        Where y goes.
    given : array_like, optional
        What x was made of, which `out` may be, if not x itself.
    running_mean, running_var : array_like, optional
    updating : bool
        Whether these are to be updated, not to be normalised by.

    Attributes
    ----------
    x, y : ndarray, 1-d
        Memory of x and of the result, C-contiguous, in one order of elements.
    view : View
        What that memory is to a kernel.
    weight, bias : ndarray, 1-d, or None
        The parameters.
    running_mean, running_var : ndarray or None
        Those given; to be updated they may have any strides, unless the call is plain.
    plain : bool
        Whether all was as kernels take it.
    """

    __slots__ = (
        "_beside", "_result", "bias", "plain", "plan", "running_mean", "running_var", "view",
        "weight", "x", "y",
    )  # fmt: skip

    def __init__(
        self,
        x: Array,
        plan: Plan,
        weight: Any = None,
        bias: Any = None,
        out: Any = None,
        given: Any = None,
        running_mean: Any = None,
        running_var: Any = None,
        updating: bool = False,
    ) -> None:
        self.plan, shape = plan, plan.parameters
        others = weight, bias, running_mean, running_var
        self.plain = (given is None or given is x) and _is_plain(x, shape, out, others)
        if self.plain:
            y = np.empty(x.shape, x.dtype) if out is None else out
            self.x, self.y, self.view = x.ravel(), y.ravel(), plan.view
        else:
            dtype = checks.DTYPES[x.dtype]
            weight, bias = (
                _parameter("weight", weight, dtype, shape),
                _parameter("bias", bias, dtype, shape),
            )
            running_mean, running_var = _running(running_mean, running_var, dtype, shape, updating)
            if out is not None:
                source = x if given is None else as_array("x", given)
                checks.out(out, (source,), (weight, bias, running_mean, running_var))
            self.x, axes, self.view = order.arrange(x, plan)
            y, self.y = order.place(out, x.shape, x.dtype, axes)
        if len(shape) > 1:
            weight, bias = _flat(weight), _flat(bias)
        self.weight, self.bias = weight, bias
        self.running_mean, self.running_var = running_mean, running_var
        self._result, self._beside = y, None if y is out else out

    def normalize(self, eps: float, centred: bool = True) -> tuple[Array, Array, Array]:
        """Return y and the mean and biased variance of each statistic, float64; NaN if x is empty.

        If not `centred`, the means are 0 and the variances mean squares.
        """
        shape = self.plan.statistics
        if self.x.size:
            mean, var = operations.normalize(
                self.y, self.x, self.weight, self.bias, eps, self.view, shape, centred
            )
        else:
            mean, var = nothing(shape)
        return self._settled(), mean, var

    def affine(self, mean: Array, var: Array, eps: float) -> Array:
        """Return x normalised by given means and variances."""
        if self.x.size:
            operations.affine(self.y, self.x, self.weight, self.bias, mean, var, eps, self.view)
        return self._settled()

    def _settled(self) -> Array:
        """Return the result, where it is wanted."""
        if self._beside is None:
            return self._result
        return order.settle(self._beside, self._result)


class BackwardCall:
    """An x and its result's gradient, from which a norm's gradients are found.

    Parameters
    ----------
    dy : array_like
        Not checked yet, as mean, rstd, weight and out.
    x, plan, weight, out, given
        As of `Call`.
    mean, rstd : array_like
        What the forward pass returned; no mean if not `centred`.
    centred : bool
        Whether x was normalised by its variance, or by its mean square.
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
        weight = _parameter("weight", weight, checks.DTYPES[x.dtype], plan.parameters)
        upstream = checks.like("dy", dy, x)
        mean = checks.statistic("mean", mean, plan.statistics) if centred else None
        rstd = checks.statistic("rstd", rstd, plan.statistics)
        if out is not None:
            sources = x if given is None else as_array("x", given), as_array("dy", dy)
            checks.out(out, sources, (weight, mean, rstd))
        self.plan, self._centred, self._out = plan, centred, out
        self.x, axes, self.view = order.arrange(x, plan)
        self._result, self.dx = order.place(out, x.shape, x.dtype, axes)
        self.dy, self.weight = order.in_order(upstream, axes), _flat(weight)
        self.mean, self.rstd = np.empty(0) if mean is None else mean.ravel(), rstd.ravel()

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


def nothing(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the means and variances of an empty x."""
    mean, var = np.full((2, *shape), np.nan)
    return mean, var


def _is_plain(x: Array, shape: tuple[int, ...], out: Any, others: tuple[Any, ...]) -> bool:
    """Return whether kernels can take x, `out` and others, of this shape, as is.

    That is what almost every call brings: arrays in C order, writeable, of x's dtype, with memory
    of their own, all but x perhaps None. There is nothing left to check about them then, and it
    takes a microsecond to tell.
    """
    dtype, flags = x.dtype, x.flags
    owned = flags.owndata
    if not flags.c_contiguous:
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
    if out is None:
        return True
    if type(out) is not ndarray or out.dtype is not dtype or out.shape != x.shape:
        return False
    flags = out.flags
    # Two owners of memory have two memories.
    return flags.carray and (
        (owned and flags.owndata)
        or not memory.overlapping(out, others if out is x else (x, *others))
    )


def _parameter(name: str, value: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    return None if value is None else checks.parameter(name, value, dtype, shape)


def _running(
    mean: Any, var: Any, dtype: np.dtype[Any], shape: tuple[int, ...], updating: bool
) -> tuple[Any, Any]:
    """Return running statistics, checked: those to be updated, or those to normalise by."""
    if updating:
        if mean is not None:
            mean = checks.running("running_mean", mean, dtype, shape)
        if var is not None:
            var = checks.running("running_var", var, dtype, shape)
        return mean, var
    if mean is None and var is None:
        return None, None
    mean = checks.statistic("running_mean", mean, shape)
    var = checks.statistic("running_var", var, shape)
    if mean.dtype == var.dtype == dtype:
        return mean, var
    return operations.widened(mean), operations.widened(var)


def _flat(parameter: Array | None) -> Array | None:
    return None if parameter is None else parameter.ravel()
