"""Images, normalised by given numbers or by their own: arguments checked, and handed to kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.calls import checks, given, memory, operations, order, statistics
from numbanorm.calls.places import Images, can_write, gather, places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.plan.plan import Plan

    Array = NDArray[Any]

# What stands for 1 where nothing is said.
_FULL: dict[np.dtype[Any], float] = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}

_FLOAT32 = np.dtype(np.float32)
_OVER = "image", "channel", "batch"


def scale(
    images: Images,
    mean: NDArray[np.float64],
    std: NDArray[np.float64],
    most: float,
    to: str,
    dtype: np.dtype[Any],
    reverse: bool = False,
    out: Array | None = None,
) -> Array:
    """Return (x / most - mean) / std, of a dtype, in a layout; all has been checked.

    mean and std are (1, C) or (N, C), in the order of the result's channels.
    """
    height, width, channels = images.sizes
    count, result = len(images.arrays), None
    if out is not None:
        result = out[np.newaxis] if images.single else out
        result = result if not count or can_write(result[0], to) else None
    beside = out is not None and result is None
    if result is None:
        inner = (height, width, channels) if to == "NHWC" else (channels, height, width)
        result = np.empty((count, *inner), dtype)
    if result.size:
        here, there = places(images.arrays, images.layout), places(result, to)
        if reverse:
            here = here.reversed(channels, images.dtype.itemsize)
        planar, view = there.strides[0][1] == 1, (count, height, channels, 1, width)
        table = np.empty((count, 8), np.int64)
        table[:, 0], table[:, 1:4] = here
        table[:, 4], table[:, 5:] = there
        operations.scale(table, images.dtype, dtype, mean, std, most, planar, view)
    y = result[0] if images.single else result
    if out is None:
        return y
    if beside:
        out[...] = y
    return out


def normalize(
    images: Any, mean: Any, std: Any, max_value: Any, layout: str, to: Any, dtype: Any,
    reverse_channels: Any, out: Any,
) -> Array:  # fmt: skip
    """Return images normalised by given means and deviations; see `numbanorm.normalize_images`."""
    found, to, kind = _what(images, layout, to, dtype)
    count, channels = len(found.arrays), found.sizes[2]
    means = checks.of_channels("mean", mean, count, channels)
    stds = checks.of_channels("std", std, count, channels)
    if not stds.all():
        raise ValueError("std must not be 0, got one that is")
    most = _FULL.get(found.dtype, 1.0)
    if max_value is not None:
        most = checks.finite("max_value", max_value)
    if most == 0:
        raise ValueError(f"max_value must not be 0, got {max_value!r}")
    reverse = bool(reverse_channels)
    if out is not None:
        _check_out(out, images, found, to, kind, reverse)
        checks.apart(out, (means, stds))
    means, stds = map(np.ascontiguousarray, np.broadcast_arrays(means, stds))
    return scale(found, means, stds, most, to, kind, reverse, out)


def of_channels(
    x: Array, plan: Plan, mean: NDArray[np.float64], std: NDArray[np.float64], layout: str, out: Any
) -> Array:
    """Return (x - mean) / std of integers of any rank, in float32, with axes as they are in x."""
    if out is not None:
        checks.result(out, x.shape, _FLOAT32, "the result")
        checks.apart(out, (x,), "x")
        checks.apart(out, (mean, std))
    pixels, axes, _ = order.arrange(x, plan)
    y, result = order.place(out, x.shape, _FLOAT32, axes)
    if x.size:
        if axes is not None:
            layout = "NHWC" if layout == "NCHW" else "NCHW"
        sizes = (len(x), len(mean), 1, -1) if layout == "NCHW" else (len(x), 1, -1, len(mean))
        found, by = Images(pixels.reshape(sizes), layout, False), _divisors(std)
        scale(found, mean[None], by[None], 1.0, layout, _FLOAT32, False, result.reshape(sizes))
    return order.settle(out, y)


def _divisors(std: Array) -> Array:
    """Return what to divide by: what has no deviation becomes 0."""
    return np.where(std == 0, np.inf, std)


def standardize(
    images: Any, over: Any, eps: Any, floor: Any, layout: str, to: Any, dtype: Any, out: Any
) -> tuple[Array, Array, Array]:
    """Return images normalised by their own, and by what; see `numbanorm.standardize_images`."""
    found, to, kind = _what(images, layout, to, dtype)
    if not isinstance(over, str) or over not in _OVER:
        raise ValueError(f"over must be 'image', 'channel' or 'batch', got {over!r}")
    eps = checks.epsilon(eps, "eps")
    least = 0.0 if floor is None else checks.epsilon(floor, "floor")
    if out is not None:
        _check_out(out, images, found, to, kind, False)
    mean, var = statistics.of_images(found.arrays, layout, over)
    with np.errstate(over="ignore"):
        std = np.maximum(np.sqrt(var + eps), least)
    count, channels = len(found.arrays), found.sizes[2]
    shape = (1 if over == "batch" else count, channels)
    means, stds = (
        np.ascontiguousarray(np.broadcast_to(a[:, np.newaxis] if over == "image" else a, shape))
        for a in (mean, _divisors(std))
    )
    y = scale(found, means, stds, 1.0, to, kind, False, out)
    if found.single and over != "batch":
        mean, std = mean[0], std[0]
    return y, mean, std


def _what(images: Any, layout: str, to: Any, dtype: Any) -> tuple[Images, str, np.dtype[Any]]:
    """Return what is to be normalised, to which layout and dtype."""
    layout = checks.layout(layout)
    to = layout if to is None else checks.layout(to, "to")
    kind = checks.dtype(dtype)
    return gather(images, layout), to, kind


def _check_out(
    out: Any, given_as: Any, images: Images, to: str, dtype: np.dtype[Any], reverse: bool
) -> None:
    """Check the array results go to: it may be the images, where they stay in their places."""
    height, width, channels = images.sizes
    one = (height, width, channels) if to == "NHWC" else (channels, height, width)
    shape = one if images.single else (len(images.arrays), *one)
    checks.result(out, shape, dtype, "the result")
    if not isinstance(images.arrays, np.ndarray):
        checks.apart(out, tuple(images.arrays), "images in a sequence")
        return
    source = images.arrays[0] if images.single else images.arrays
    in_place = to == images.layout and not reverse and dtype == images.dtype
    for other in memory.overlapping(out, (source, given.as_array("images", given_as))):
        if not in_place or not memory.same_memory(out, other):
            raise ValueError("out must be images itself or share no memory with it, got an overlap")
