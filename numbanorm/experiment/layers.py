"""Layers between norms: a matrix, a convolution, a ReLU, and one that lays images out as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from numbanorm.experiment.convolution import images, patches

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Array = NDArray[Any]


class Layer(Protocol):
    """What networks consist of, numbanorm's norms among it."""

    training: bool

    def __call__(self, x: Array, /) -> Array:
        """Return y, and in training keep what `backward` needs."""

    def backward(self, dy: Array, /) -> Array:
        """Return the gradient of x, and keep those of the parameters."""

    def parameters(self) -> dict[str, Array]:
        """Return the parameters themselves."""

    def gradients(self) -> dict[str, Array]:
        """Return the parameters' gradients, with the same keys."""


class Plain:
    """A layer without parameters."""

    def __init__(self) -> None:
        self.training = True
        self._saved: Any = None

    def parameters(self) -> dict[str, Array]:
        """Return none."""
        return {}

    def gradients(self) -> dict[str, Array]:
        """Return none."""
        return {}


class ReLU(Plain):
    """The larger of x and 0."""

    def __call__(self, x: Array) -> Array:
        """Return it."""
        y = np.maximum(x, 0)
        self._saved = y if self.training else None
        return y

    def backward(self, dy: Array) -> Array:
        """Return dy where y is not 0."""
        dx: Array = dy * (self._saved > 0)
        return dx


class Flatten(Plain):
    """Each image as one row."""

    def __call__(self, x: Array) -> Array:
        """Return x in another shape."""
        self._saved = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        """Return dy in the shape of x."""
        dx: Array = dy.reshape(self._saved)
        return dx


class Linear(Plain):
    """y = x @ weight + bias.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the weights come from: normal, of variance ``2 / inputs`` (He et al., 2015).
    inputs, outputs : int
        How many of each.
    scale : float
        What the weights' deviation is multiplied by.
    first : bool
        Whether what is before the layer learns nothing, so that `backward` need not give dx.
    dtype : dtype_like
        That of all arrays.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        inputs: int,
        outputs: int,
        scale: float = 1.0,
        first: bool = False,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        deviation = scale * np.sqrt(2 / inputs)
        self.weight: Array = (rng.standard_normal((inputs, outputs)) * deviation).astype(dtype)
        self.bias: Array = np.zeros(outputs, dtype)
        self.first = first
        self._gradients: dict[str, Array] = {}

    def __call__(self, x: Array) -> Array:
        """Return y."""
        self._saved = x if self.training else None
        y: Array = x @ self.weight
        y += self.bias
        return y

    def backward(self, dy: Array) -> Array:
        """Return the gradient of x; dy itself if the layer is the first."""
        x = self._saved
        self._gradients = {"weight": x.T @ dy, "bias": dy.sum(axis=0)}
        return dy if self.first else dy @ self.weight.T

    def parameters(self) -> dict[str, Array]:
        """Return weight and bias."""
        return {"weight": self.weight, "bias": self.bias}

    def gradients(self) -> dict[str, Array]:
        """Return those of the last `backward`."""
        return self._gradients


class Convolution(Linear):
    """A convolution of images in NHWC with zeros around them, square and of an odd size.

    Parameters
    ----------
    rng, scale, first, dtype
        As for `Linear`.
    inputs, outputs : int
        How many channels.
    size, stride : int
        The kernel's height and width, and the step.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        inputs: int,
        outputs: int,
        size: int,
        stride: int,
        scale: float = 1.0,
        first: bool = False,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(rng, size * size * inputs, outputs, scale, first, dtype)
        self.size, self.stride = size, stride

    def __call__(self, x: Array) -> Array:
        """Return y, of shape (N, H', W', outputs)."""
        rows = patches(x, self.size, self.stride, self.size // 2)
        self._shapes = x.shape, rows.shape
        y = super().__call__(rows.reshape(-1, len(self.weight)))
        return y.reshape(*rows.shape[:3], -1)

    def backward(self, dy: Array) -> Array:
        """Return the gradient of x; dy itself if the layer is the first."""
        shape, rows = self._shapes
        drows = super().backward(dy.reshape(-1, dy.shape[-1]))
        if self.first:
            return dy
        return images(drows.reshape(rows), shape, self.stride, self.size // 2)
