"""Images, as decoders and cameras give them, to the numbers that networks take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

from numbanorm.calls import images as calls

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike

    from numbanorm._types import Array, Layout, WithStats

# The names are for editors to offer.
Over = Literal["image", "channel", "batch"] | str

# Of the red, green and blue of ImageNet's training images, as shares of 255: what the models that
# torchvision, timm and Keras offer were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalize_images(
    images: ArrayLike | Sequence[ArrayLike],
    mean: ArrayLike,
    std: ArrayLike,
    *,
    max_value: float | None = None,
    layout: Layout = "NHWC",
    to: Layout | None = None,
    dtype: DTypeLike = np.float32,
    reverse_channels: bool = False,
    out: Array | None = None,
) -> Array:
    """Return ``(images / max_value - mean) / std`` for each channel, in one pass over memory.

    Parameters
    ----------
    images : array_like, or sequence of array_like
        Of shape (N, H, W, C) or (N, C, H, W), as `layout` says; one image, of rank 3; or a sequence
        of images of rank 3, of one shape and dtype, which need not be stacked. Of uint8, uint16,
        int16, float16, bfloat16, float32 or float64, with any number of channels. Strides may be
        any: crops and mirrored images are read where they are.
    mean, std : array_like, real numbers
        A number, one for each channel, shape (C,), or for each channel of each image, shape (N, C).
        `IMAGENET_MEAN` and `IMAGENET_STD` are what most published models want. std is not 0.
    max_value : float, optional
        What stands for 1 in the images: 255 for uint8, 65535 for uint16, else 1, if not given.
    layout, to : {'NHWC', 'NCHW'}
        Where the channels are in the images, and in the result; the same if `to` is not given.
    dtype : dtype_like
        Of the result: float32, float16, bfloat16 or float64.
    reverse_channels : bool
        Whether the result's first channel is the images' last, as of BGR that is to be RGB. mean
        and std are in the order of the result.
    out : ndarray, of the result's shape and dtype, optional
        Where the result goes: a part of a larger batch, as ``batch[3]``, is fine. It may be the
        images themselves where all stays in place; else it overlaps no argument.

    Returns
    -------
    ndarray
        Of rank 4, or 3 for one image by itself. float32 results of images of 8 and 16 bits are
        those of NumPy's float64, rounded once.

    Raises
    ------
    ValueError
        If a shape, a layout or a value is wrong. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> photos = np.full((8, 224, 224, 3), 128, np.uint8)
    >>> x = nbn.normalize_images(photos, nbn.IMAGENET_MEAN, nbn.IMAGENET_STD, to="NCHW")
    >>> x.shape, x.dtype
    ((8, 3, 224, 224), dtype('float32'))
    >>> x[0, :, 0, 0].round(4)
    array([0.0741, 0.2052, 0.4265], dtype=float32)

    Decoded one by one, in OpenCV's order, some mirrored, into a batch that is there already::

        >>> decoded = [photos[0], photos[1][:, ::-1]]
        >>> batch = np.empty((8, 3, 224, 224), np.float32)
        >>> y = nbn.normalize_images(
        ...     decoded, 0.5, 0.5, to="NCHW", reverse_channels=True, out=batch[2:4]
        ... )
    """
    return calls.normalize(images, mean, std, max_value, layout, to, dtype, reverse_channels, out)


# fmt: off
@overload
def standardize_images(
    images: ArrayLike | Sequence[ArrayLike], *, over: Over = "image",
    eps: float = 0.0, floor: float | None = None, layout: Layout = "NHWC", to: Layout | None = None,
    dtype: DTypeLike = np.float32, return_stats: Literal[False] = False, out: Array | None = None,
) -> Array: ...
@overload
def standardize_images(
    images: ArrayLike | Sequence[ArrayLike], *, over: Over = "image",
    eps: float = 0.0, floor: float | None = None, layout: Layout = "NHWC", to: Layout | None = None,
    dtype: DTypeLike = np.float32, return_stats: Literal[True], out: Array | None = None,
) -> WithStats: ...
@overload
def standardize_images(
    images: ArrayLike | Sequence[ArrayLike], *, over: Over = "image",
    eps: float = 0.0, floor: float | None = None, layout: Layout = "NHWC", to: Layout | None = None,
    dtype: DTypeLike = np.float32, return_stats: bool, out: Array | None = None,
) -> Array | WithStats: ...
# fmt: on
def standardize_images(
    images: ArrayLike | Sequence[ArrayLike],
    *,
    over: Over = "image",
    eps: float = 0.0,
    floor: float | None = None,
    layout: Layout = "NHWC",
    to: Layout | None = None,
    dtype: DTypeLike = np.float32,
    return_stats: bool = False,
    out: Array | None = None,
) -> Array | WithStats:
    """Return ``(images - mean) / max(sqrt(var + eps), floor)``, by the images' own statistics.

    Parameters
    ----------
    images : array_like, or sequence of array_like
        As `normalize_images` takes them.
    over : {'image', 'channel', 'batch'}
        What is brought to mean 0 and deviation 1: each image, each channel of each image, or each
        channel of all images.
    eps : float
        Added to the variance, which is the biased one; not negative.
    floor : float, optional
        The least number to divide by; TensorFlow's ``per_image_standardization`` has
        ``1 / sqrt(H * W * C)``.
    layout, to, dtype, out
        As of `normalize_images`.
    return_stats : bool
        Whether to return what was subtracted and divided by, too.

    Returns
    -------
    y : ndarray
        Of rank 4, or 3 for one image by itself. Where nothing varies it is 0.
    mean, std : ndarray, float64
        Of shape (N,), (N, C) or (C,) by `over`, without the N for one image. ``std`` is
        ``max(sqrt(var + eps), floor)``. Only with ``return_stats``. Of integers, the mean and the
        variance are exact but for one rounding.

    Raises
    ------
    ValueError
        If a shape, a layout or a value is wrong. Nothing has been written then.
    TypeError
        If a dtype or a type is wrong. Nothing has been written then.

    Examples
    --------
    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> scan = np.array([[[10], [20]], [[30], [40]]], np.int16)
    >>> nbn.standardize_images(scan)[..., 0].round(3)
    array([[-1.342, -0.447],
           [ 0.447,  1.342]], dtype=float32)
    """
    y, mean, std = calls.standardize(images, over, eps, floor, layout, to, dtype, out)
    return (y, mean, std) if return_stats else y
