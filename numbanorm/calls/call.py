"""`Call`: all of a forward call, checked, and in the memory that kernels take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, finishing, operations, order
from numbanorm.calls.given import as_array
from numbanorm.calls.plain import is_plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.plan.plan import Plan

    Array = NDArray[Any]


class Call:
    """An x to be normalised, as a norm plans it.

    Building it finds every error there may be in it, and writes nothing.

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
        Both, or to be updated any.
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
        others, kind = (weight, bias, running_mean, running_var), checks.DTYPES[x.dtype]
        self.plain = (given is None or given is x) and is_plain(x, out, ((others, kind, shape),))
        if self.plain:
            y = np.empty(x.shape, x.dtype) if out is None else out
            self.x, self.y, self.view = x.ravel(), y.ravel(), plan.view
        else:
            others = _checked(others, x.dtype, shape, updating)
            if out is not None:
                checks.out(out, (x if given is None else as_array("x", given),), others)
            weight, bias, running_mean, running_var = others
            self.x, axes, self.view = order.arrange(x, plan)
            y, self.y = order.place(out, x.shape, x.dtype, axes)
            weight, bias = operations.computed(weight, kind), operations.computed(bias, kind)
        if len(shape) > 1:
            weight = None if weight is None else weight.ravel()
            bias = None if bias is None else bias.ravel()
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


def nothing(shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the means and variances of an empty x."""
    mean, var = np.full((2, *shape), np.nan)
    return mean, var


def _checked(
    given: tuple[Any, Any, Any, Any], dtype: np.dtype[Any], shape: tuple[int, ...], updating: bool
) -> tuple[Any, Any, Any, Any]:
    """Return weight, bias and running statistics, checked; these to be updated, or used."""
    weight, bias, mean, var = given
    weight = checks.optional("weight", weight, dtype, shape)
    bias = checks.optional("bias", bias, dtype, shape)
    if updating:
        if mean is not None:
            mean = checks.running("running_mean", mean, dtype, shape)
        if var is not None:
            var = checks.running("running_var", var, dtype, shape)
    elif mean is not None:
        mean = checks.statistic("running_mean", mean, shape, dtype)
        var = checks.statistic("running_var", var, shape, dtype)
        if not mean.dtype == var.dtype == checks.DTYPES[dtype]:
            mean, var = finishing.widened(mean), finishing.widened(var)
    return weight, bias, mean, var
