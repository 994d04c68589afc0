"""Statistics alone, of channels and of images: from sums that are exact where x is of integers."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, finishing, operations
from numbanorm.plan import view as views
from numbanorm.plan.summary import LOW_BITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from numbanorm.plan.view import View

    Array = NDArray[Any]


def of_memory(
    x: Array, view: View, shape: tuple[int, ...], correction: float = 0.0
) -> tuple[Array, Array]:
    """Return the mean and the variance of each statistic of flat memory, which is not empty."""
    batch, outer, group, width, run = view
    count = outer * width * run
    if x.dtype in checks.INTEGERS:
        return of_sums(integer_sums(x, view), count, shape, correction)
    mean, var = operations.moments(x, view, (batch * group,))
    var = finishing.variances(var, count / (count - correction))
    return mean.reshape(shape), var.reshape(shape)


def integer_sums(x: Array, view: View) -> list[tuple[int, int]]:
    """Return the sum of each statistic of integers, and of their squares."""
    return exact_sums(operations.summarize(x, view)[0])


def exact_sums(sums: Array) -> list[tuple[int, int]]:
    """Return sums, and sums of squares, from their parts; see `kernels.operations.summaries`."""
    return [((a << LOW_BITS) + b, (c << LOW_BITS) + d) for a, b, c, d in zip(*sums.tolist())]


def of_sums(
    sums: list[tuple[int, int]], count: int, shape: tuple[int, ...], correction: float = 0.0
) -> tuple[Array, Array]:
    """Return means and variances of `count` integers, rounded once each, from their sums."""
    mean = [plain / count for plain, _ in sums]
    if correction == 0.0:
        var = [(count * squares - plain * plain) / (count * count) for plain, squares in sums]
    else:
        divisor = count * (count - Fraction(correction))
        var = [float((count * squares - plain * plain) / divisor) for plain, squares in sums]
    return np.array(mean).reshape(shape), np.array(var).reshape(shape)


def of_images(images: Sequence[Array] | Array, layout: str, over: str) -> tuple[Array, Array]:
    """Return the mean and the variance of each image, of its channels or of all images' channels.

    Of shape (N,), (N, C) or (C,).
    """
    if isinstance(images, np.ndarray) and images.flags.c_contiguous:
        return _of_block(images, layout, over)
    if images[0].size == 0:
        return _of_block(np.empty((len(images), *images[0].shape)), layout, over)
    blocks = [np.ascontiguousarray(one)[np.newaxis] for one in images]
    if over == "batch" and images[0].dtype in checks.INTEGERS:
        found = [integer_sums(one.ravel(), _view(one, layout, over)[0]) for one in blocks]
        sums = [(sum(plain), sum(squares)) for plain, squares in (zip(*one) for one in zip(*found))]
        return of_sums(sums, len(blocks) * blocks[0].size // len(sums), (len(sums),))
    means, variances = (np.stack(a) for a in zip(*(_of_block(one, layout, over) for one in blocks)))
    if over != "batch":
        return means[:, 0], variances[:, 0]
    # Images are of one size, so that all count alike.
    with np.errstate(all="ignore"):
        mean = means.mean(axis=0)
        return mean, variances.mean(axis=0) + ((means - mean) ** 2).mean(axis=0)


def _of_block(images: Array, layout: str, over: str) -> tuple[Array, Array]:
    """Do that for a C-contiguous array of rank 4."""
    view, shape = _view(images, layout, over)
    if images.size == 0:
        return np.full(shape, np.nan), np.full(shape, np.nan)
    return of_memory(images.ravel(), view, shape)


def _view(images: Array, layout: str, over: str) -> tuple[View, tuple[int, ...]]:
    """Return what an array of images is to a kernel, and the shape of its statistics."""
    first, count = layout == "NCHW", len(images)
    channels, *sizes = images.shape[1:] if first else (images.shape[3], *images.shape[1:3])
    spatial = math.prod(sizes)
    if over == "image":
        return views.instance_view(True, count, 1, spatial * channels), (count,)
    if over == "channel":
        return views.instance_view(first, count, channels, spatial), (count, channels)
    return views.batch_view(first, count, channels, spatial), (channels,)
