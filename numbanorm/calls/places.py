"""Images as users give them: of one shape and dtype, wherever in memory each of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from numbanorm.calls import checks, given

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

# Where rows, pixels and channels are among the axes of one image.
_AXES = {"NHWC": (0, 1, 2), "NCHW": (1, 2, 0)}


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


def strides_of(array: Array, layout: str) -> tuple[int, int, int]:
    """Return how many elements apart rows, pixels and channels of an image of rank 3 are."""
    strides, size = array.strides, array.itemsize
    row, pixel, channel = _AXES[layout]
    return strides[row] // size, strides[pixel] // size, strides[channel] // size


class Places(NamedTuple):
    """Where images are: their addresses and, for each or for all, what `strides_of` returns."""

    addresses: NDArray[np.int64]
    strides: list[tuple[int, int, int]]

    def reversed(self, channels: int, size: int) -> Places:
        """Return where they are from their last channel on, backwards, of elements of a size."""
        last = [(channels - 1) * channel * size for _, _, channel in self.strides]
        turned = [(row, pixel, -channel) for row, pixel, channel in self.strides]
        return Places(self.addresses + np.array(last), turned)


def places(arrays: Sequence[Array] | Array, layout: str) -> Places:
    """Return where images are."""
    if isinstance(arrays, np.ndarray):
        first = arrays.__array_interface__["data"][0]
        addresses = first + arrays.strides[0] * np.arange(len(arrays))
        return Places(addresses, [strides_of(arrays[0], layout)])
    addresses = np.array([one.__array_interface__["data"][0] for one in arrays])
    if len({one.strides for one in arrays}) == 1:
        return Places(addresses, [strides_of(arrays[0], layout)])
    return Places(addresses, [strides_of(one, layout) for one in arrays])


def can_write(array: Array, layout: str) -> bool:
    """Return whether results can be written to an image of rank 3: as planes or as pixels."""
    flags = array.flags
    if not flags.c_contiguous and any(stride % array.itemsize for stride in array.strides):
        return False
    _, pixel, channel = strides_of(array, layout)
    channels = array.shape[_AXES[layout][2]]
    fits = flags.aligned and array.dtype.isnative
    return fits and (pixel == 1 or (channel == 1 and pixel == channels))
