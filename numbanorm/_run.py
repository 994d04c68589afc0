"""What the public functions call forward: kernels on a view, serial or parallel.

Means and variances are float64 arrays of batch * group values, or, where they are given, of x's
type. weight and bias may be None.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numbanorm import _cut, _threads, _tiles
from numbanorm._cut import Across, Array, View, kernels, present, queue, streams, workers_for


def moments(x: Array, view: View) -> tuple[Array, Array]:
    """Return the mean and the biased variance of each statistic, in float64."""
    batch, outer, group, width, run = view
    mean, var = np.empty(batch * group), np.empty(batch * group)
    k, workers = kernels(), workers_for(x.size)
    if _cut.goes_along(view):
        _, _, tiles = _tiles.along_tiles(outer, width * run)
        partial = np.empty(3 * batch * group * tiles)
        _threads.run(k.along.moments, view, (x, mean, var, partial, queue(workers)), workers)
    else:
        cut = Across(x, view, workers)
        partial = np.empty(2 * batch * cut.tiles * group)
        work = cut.sums(workers, k.across.SUMS)
        args = x, mean, var, partial, cut.slab, work, cut.room, queue(workers)
        _threads.run(k.across.moments, view, args, workers)
    return mean, var


def affine(
    y: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    var: Array,
    eps: float,
    view: View,
    backwards: bool = False,
) -> None:
    """Normalise x into y by given means and variances."""
    k, workers, streamed = kernels(), workers_for(x.size), streams(y)
    weight, bias = present(weight, x), present(bias, x)
    given: tuple[Any, ...] = y, x, weight, bias, mean, var, eps, backwards
    if view[3] > 1 == view[4] and _cut.goes_along(view):
        _threads.run(k.rows.affine, view, (*given, streamed, queue(workers)), workers)
    elif view[4] >= _cut.ALONG_RUN or _cut.goes_along(view):
        _threads.run(k.along.affine, view, (*given, streamed, queue(workers)), workers)
    else:
        cut = Across(x, view, workers)
        coefs = cut.coefficients(workers, k.across.COEFFICIENTS, x.dtype)
        args = *given, cut.slab, coefs, cut.room, streamed, queue(workers)
        _threads.run(k.across.affine, view, args, workers)


def normalize(
    y: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    view: View,
    centred: bool = True,
) -> tuple[Array, Array]:
    """Normalise x into y by its own statistics; returns their means and biased variances.

    If not `centred` (rows only), by its mean square: the mean counts as 0.
    """
    workers, k, streamed = workers_for(x.size), kernels(), streams(y)
    if _too_few(x, view, workers):
        return _in_two_passes(y, x, weight, bias, eps, view, centred)
    mean, var = np.empty(view[0] * view[2]), np.empty(view[0] * view[2])
    given = y, x, present(weight, x), present(bias, x), mean, var, eps
    if _cut.has_rows(view):
        args: tuple[Any, ...] = *given, centred, streamed, queue(workers)
        _threads.run(k.rows.normalize, view, args, workers)
    elif _cut.goes_along(view):
        _threads.run(k.along.normalize, view, (*given, streamed, queue(workers)), workers)
    else:
        cut = Across(x, view, workers)
        work = cut.sums(workers, k.across.SUMS)
        coefs = cut.coefficients(workers, k.across.COEFFICIENTS, x.dtype)
        args = *given, cut.slab, work, coefs, cut.room, streamed, queue(workers)
        _threads.run(k.across.normalize, view, args, workers)
    return mean, var


def _too_few(x: Array, view: View, workers: int) -> bool:
    """Return whether there are too few statistics for each thread to work on its own ones."""
    batch, outer, group, width, run = view
    if _cut.goes_along(view):
        if width > 1 == run and outer > 1:
            return True
        return 1 < workers and batch * group < 4 * workers and batch * group % workers > 0
    return workers > 1 and not Across(x, view, workers).fits


def _in_two_passes(
    y: Array,
    x: Array,
    weight: Array | None,
    bias: Array | None,
    eps: float,
    view: View,
    centred: bool,
) -> tuple[Array, Array]:
    """Read all of x, then normalise it, starting with what was read last."""
    mean, var = moments(x, view)
    if not centred:
        var += mean * mean
        mean[:] = 0.0
    affine(y, x, weight, bias, mean, var, eps, view, backwards=True)
    return mean, var


def update_running(
    running_mean: Array | None,
    running_var: Array | None,
    mean: Array,
    var: Array,
    momentum: float,
    unbiased: float,
) -> None:
    """Set running arrays, C-contiguous, to (1 - momentum) * running + momentum * batch.

    The batch's variance is multiplied by `unbiased`.
    """
    given = running_var if running_mean is None else running_mean
    running = present(running_mean, given), present(running_var, given)
    kernels().running.update(*running, mean, var, momentum, unbiased)


def copy(y: Array, x: Array, z: Array | None = None) -> None:
    """Copy x, or x + z, to y as fast as memory allows: what all other speed is compared with."""
    workers = workers_for(x.size)
    args = y, x, present(z, x), streams(y), queue(workers)
    _threads.run(kernels().copying.copy, (1, 1, 1, 1, x.size), args, workers)
