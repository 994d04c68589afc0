"""Images, normalised by given numbers or by their own: arguments checked, and handed to kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numbanorm.calls import checks, given, memory, operations, order, statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from numbanorm.plan.plan import Plan

    Array = NDArray[Any]

# Where rows, pixels and channels are among the axes of one image.
_AXES = {"NHWC": (0, 1, 2), "NCHW": (1, 2, 0)}


# What stands for 1 where nothing is said.
_FULL: dict[np.dtype[Any], float] = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}

_FLOAT32 = np.dtype(np.float32)
_OVER = "image", "channel", "batch"


class Images(NamedTuple):
    """Images of one shape and dtype.

    Attributes
    ----------
    arrays : sequence of ndarray
        Each of rank 3; an array of rank 4 where they are one.
    layout : str
    single : bool
        Whether one image was given by itself.
    """

    arrays: Sequence[Array] | Array
    layout: str
    single: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one."""
        arrays = self.arrays
        return arrays.shape[1:] if isinstance(arrays, np.ndarray) else arrays[0].shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of all."""
        return self.arrays.dtype if isinstance(self.arrays, np.ndarray) else self.arrays[0].dtype

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The height, the width and the number of channels."""
        shape = self.shape
        height, width, channels = (shape[axis] for axis in _AXES[self.layout])
        return height, width, channels


def gather(images: Any, layout: str) -> Images:
    """Return what users gave as images: an array of rank 3 or 4, or a sequence of rank 3."""
    if given.is_sequence(images):
        if not len(images):
            raise ValueError("images must have 1 or more, got an empty sequence")
        first = checks.pixels("images[0]", images[0])
        if first.ndim != 3:
            raise ValueError(f"images[0] must have 3 dimensions, got shape {first.shape}")
        arrays = [first if i == 0 else _like_first(i, one, first) for i, one in enumerate(images)]
        return Images(arrays, layout, False)
    array = checks.pixels("images", images)
    if array.ndim not in (3, 4):
        raise ValueError(f"images must have 3 or 4 dimensions, got shape {array.shape}")
    return Images(array if array.ndim == 4 else array[np.newaxis], layout, array.ndim == 3)


def _like_first(i: int, image: Any, first: Array) -> Array:
    """Return an image of a sequence, of the shape and dtype of the first."""
    # What almost every sequence is made of: this is done for each image.
    if type(image) is np.ndarray and image.dtype is first.dtype and image.shape == first.shape:
        if image.strides == first.strides and image.flags.behaved:
            return image
    array = checks.pixels(f"images[{i}]", image)
    if array.ndim != 3:
        raise ValueError(f"images[{i}] must have 3 dimensions, got shape {array.shape}")
    if array.dtype != first.dtype:
        raise TypeError(f"images[{i}] must be {first.dtype} like the first, got {array.dtype}")
    if array.shape != first.shape:
        raise ValueError(
            f"images[{i}] must have the first one's shape {first.shape}, got {array.shape}"
        )
    return array


def _strides(array: Array, layout: str) -> tuple[int, int, int]:
    """Return how many elements apart rows, pixels and channels of an image of rank 3 are."""
    strides, size = array.strides, array.itemsize
    row, pixel, channel = _AXES[layout]
    return strides[row] // size, strides[pixel] // size, strides[channel] // size


class Places(NamedTuple):
    """Where images are: their addresses and, for each or for all, what `_strides` returns."""

    addresses: NDArray[np.int64]
    strides: list[tuple[int, int, int]]

    def are_flat(self, width: int) -> bool:
        """Return whether the rows of all images follow one another as their pixels do."""
        return all(row == width * pixel for row, pixel, _ in set(self.strides))

    def reversed(self, channels: int, size: int) -> Places:
        """Return where they are from their last channel on, backwards, of elements of a size."""
        last = [(channels - 1) * channel * size for _, _, channel in self.strides]
        turned = [(row, pixel, -channel) for row, pixel, channel in self.strides]
        return Places(self.addresses + np.array(last), turned)


def _places(arrays: Sequence[Array] | Array, layout: str) -> Places:
    """Return where images are."""
    if isinstance(arrays, np.ndarray):
        first = arrays.__array_interface__["data"][0]
        addresses = first + arrays.strides[0] * np.arange(len(arrays))
        return Places(addresses, [_strides(arrays[0], layout)])
    addresses = np.array([one.__array_interface__["data"][0] for one in arrays])
    if len({one.strides for one in arrays}) == 1:
        return Places(addresses, [_strides(arrays[0], layout)])
    return Places(addresses, [_strides(one, layout) for one in arrays])


def _can_write(array: Array, layout: str) -> bool:
    """Return whether results can be written to an image of rank 3: as planes or as pixels."""
    flags = array.flags
    if not flags.c_contiguous and any(stride % array.itemsize for stride in array.strides):
        return False
    _, pixel, channel = _strides(array, layout)
    channels = array.shape[_AXES[layout][2]]
    fits = flags.aligned and array.dtype.isnative
    return fits and (pixel == 1 or (channel == 1 and pixel == channels))


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
        result = result if not count or _can_write(result[0], to) else None
    beside = out is not None and result is None
    if result is None:
        inner = (height, width, channels) if to == "NHWC" else (channels, height, width)
        result = np.empty((count, *inner), dtype)
    if result.size:
        places, ends = _places(images.arrays, images.layout), _places(result, to)
        if reverse:
            places = places.reversed(channels, images.dtype.itemsize)
        if places.are_flat(width) and ends.are_flat(width):
            height, width = 1, height * width
        planar, view = ends.strides[0][1] == 1, (count, height, channels, 1, width)
        table = np.empty((count, 8), np.int64)
        table[:, 0], table[:, 1:4] = places
        table[:, 4], table[:, 5:] = ends
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
