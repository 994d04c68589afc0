"""Batch norm over the samples of all ranks of a `Collective`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, finishing, running, shapes, summaries
from numbanorm.calls.backward_call import BackwardCall
from numbanorm.calls.call import Call
from numbanorm.calls.summaries import Summary
from numbanorm.collective import Collective, added, merged
from numbanorm.layers import checks as rules
from numbanorm.layers.batch_norm import BatchNorm

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[Any]


class SyncBatchNorm(BatchNorm):
    """Batch norm by the statistics of all ranks' samples; their numbers may differ, and be 0.

    All ranks call the layer, and its `backward`, together. Each call that normalises by the batch
    and each `backward` takes one collective operation, whose results are merged in the order of
    ranks: all ranks have the same statistics, to the last bit. The gradients of weight and bias are
    those of all samples, the same on all ranks: they are not to be added up again. A call that
    fails on one rank, for a wrong input, is an error on all.
    """

    _collective: Collective

    def __call__(self, x: ArrayLike) -> NDArray[Any]:
        """Return x normalised, and in training update the running statistics; see `BatchNorm`.

        Raises
        ------
        ValueError, TypeError
            As of `BatchNorm`; in training, if all ranks together have one value per channel.
        RuntimeError
            If x is wrong on another rank.
        """
        if not self._by_batch():
            return super().__call__(x)
        calls: list[tuple[Array, Call]] = []
        found = merged(self._collective, self.num_features, lambda: self._found(x, calls))
        ((array, call),) = calls
        count = found.total
        if count == 1:
            raise ValueError("x must have more than 1 value per channel on all ranks, got 1")
        mean, var = summaries.moments(found, 0.0)
        y = call.affine(mean, var, self.eps)
        if self.training and self.track_running_stats:
            momentum = np.nan if self.momentum is None else self.momentum
            running.update(call, mean, var, momentum, self.num_batches_tracked, count)
        if self._saves():
            self._saved = array, mean, var, True, count
        return y

    def _by_batch(self) -> bool:
        return self.training or (self.running_mean is None and self.running_var is None)

    def _found(self, x: Any, calls: list[tuple[Array, Call]]) -> Summary:
        """Check a call of this rank, and return the summary of its channels."""
        array = checks.data("x", x)
        rules.input_channels(array, self._ranks, self.num_features, self.dtype, self.layout)
        updating = self.training and self.track_running_stats
        moved = (self.running_mean, self.running_var) if updating else (None, None)
        plan = shapes.batch(array.shape, self.layout, False)
        call = Call(array, plan, self.weight, self.bias, None, None, *moved, True)
        calls.append((array, call))
        return summaries.of_array(array, self.layout)

    def _backward(self, dy: ArrayLike, *saved: Any) -> tuple[Array, Array, Array]:
        x, mean, var, by_batch, *counts = saved
        mean, rstd = finishing.statistics(mean, var, self.eps)
        calls: list[BackwardCall] = []

        def sums() -> Array:
            plan = shapes.batch(x.shape, self.layout, False)
            calls.append(BackwardCall(dy, x, plan, mean, rstd, self.weight))
            return calls[0].sums()

        totals = added(self._collective, (2, self.num_features), sums)
        dx = calls[0].by_sums(totals, counts[0] if by_batch else 1, by_batch)
        dbias, dweight = totals.astype(checks.DTYPES[x.dtype])
        return dx, dweight, dbias
