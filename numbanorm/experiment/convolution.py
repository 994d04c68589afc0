"""A convolution of images in NHWC, by BLAS: patches laid out as the rows of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def patches(x: Array, size: int, stride: int, padding: int) -> Array:
    """Return the patches of images, each as one row: what is known as im2col.

    Parameters
    ----------
    x : ndarray, shape (N, H, W, C)
        Images.
    size, stride, padding : int
        A patch's height and width, the step between patches, and the zeros on each side.

    Returns
    -------
    ndarray, shape (N, H', W', size, size, C)
        The patches, C-contiguous; H' is ``(H + 2 * padding - size) // stride + 1``.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(9).reshape(1, 3, 3, 1)
    >>> patches(x, size=2, stride=1, padding=0)[0, 1, 0, :, :, 0]
    array([[3, 4],
           [6, 7]])
    """
    count, height, width, channels = x.shape
    padded = np.zeros((count, height + 2 * padding, width + 2 * padding, channels), x.dtype)
    padded[:, padding : padding + height, padding : padding + width] = x
    lines = padded.reshape(count, height + 2 * padding, -1)
    down, across = (1 + (side + 2 * padding - size) // stride for side in (height, width))
    # A patch's line is contiguous: by whole lines, copying takes two thirds of the time.
    windows = sliding_window_view(lines, (size, size * channels), axis=(1, 2))
    rows = np.ascontiguousarray(windows[:, ::stride, :: stride * channels])
    return rows.reshape(count, down, across, size, size, channels)


def images(rows: Array, shape: tuple[int, ...], stride: int, padding: int) -> Array:
    """Return images to which each patch was added at its place: the transpose of `patches`.

    Parameters
    ----------
    rows : ndarray, shape (N, H', W', size, size, C)
        Patches.
    shape : tuple of int
        The images', (N, H, W, C).
    stride, padding : int
        As in `patches`.

    Returns
    -------
    ndarray, shape (N, H, W, C)

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.ones((1, 2, 2, 2, 2, 1))  # each pixel counts the patches that it is in
    >>> images(rows, (1, 3, 3, 1), stride=1, padding=0)[0, :, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    count, height, width, channels = shape
    padded = count, height + 2 * padding, width + 2 * padding, channels
    x = np.zeros(padded, rows.dtype)
    down, across, size = rows.shape[1:4]
    for i in range(size):
        for j in range(size):
            x[:, i : i + stride * down : stride, j : j + stride * across : stride] += rows[
                :, :, :, i, j
            ]
    return x[:, padding : padding + height, padding : padding + width]
