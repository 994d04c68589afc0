"""The two networks, with a norm or none before each ReLU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import numbanorm as nbn
from numbanorm.experiment.layers import Convolution, Flatten, Linear, ReLU

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import DTypeLike, NDArray

    from numbanorm.experiment.layers import Layer

    Array = NDArray[Any]

# Networks, as they are printed.
NETWORKS = {"mlp": "multilayer perceptron", "cnn": "convolutional network"}

# Norms, as they are printed.
NORMS = {
    "none": "none",
    "batch_plain": "batch, no gamma and beta",
    "batch": "batch",
    "layer": "layer",
    "rms": "RMS",
    "group": "group",
    "instance": "instance",
}

WIDTH, DEPTH, GROUPS = 128, 4, 4
# Channels in and out, the kernel's size, and the images' side after its stride of 2.
CONVOLUTIONS = (1, 8, 5, 14), (8, 16, 3, 7), (16, 32, 3, 4)


class Network:
    """Layers, one after the other.

    Parameters
    ----------
    layers : list of Layer
        The first that has parameters is one whose `backward` need not give dx.
    """

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers

    def __call__(self, x: Array) -> Array:
        """Return y, of shape (N, 10)."""
        for layer in self.layers:
            x = layer(x)
        return x

    def backward(self, dy: Array) -> None:
        """Find the gradients of all parameters, given that of the last call's y."""
        first = next(i for i, layer in enumerate(self.layers) if layer.parameters())
        for layer in reversed(self.layers[first:]):
            dy = layer.backward(dy)

    def train(self, mode: bool = True) -> None:
        """Set training mode, or inference if mode is false."""
        for layer in self.layers:
            layer.training = mode

    def parameters(self) -> Iterator[tuple[Layer, str, Array]]:
        """Yield each parameter, with its layer and its name there."""
        for layer in self.layers:
            for name, value in layer.parameters().items():
                yield layer, name, value

    def weighted(self) -> list[Linear]:
        """Return the layers that have a matrix of weights, in their order."""
        return [layer for layer in self.layers if isinstance(layer, Linear)]


def norms_of(network: str) -> list[str]:
    """Return the norms that a network can have.

    Examples
    --------
    >>> norms_of("mlp")  # a unit of a sample has no statistics of its own
    ['none', 'batch_plain', 'batch', 'layer', 'rms', 'group']
    """
    return [norm for norm in NORMS if network == "cnn" or norm != "instance"]


def build(
    network: str, norm: str, seed: int, scale: float = 1.0, dtype: DTypeLike = np.float32
) -> Network:
    """Return a network that has learnt nothing yet.

    Parameters
    ----------
    network : {'mlp', 'cnn'}
        Four layers of 128 units, or three convolutions with a stride of 2; then 10 outputs.
    norm : str
        A key of `NORMS`.
    seed : int
        What decides on the weights; they are the same for all norms.
    scale : float
        What the weights' deviation is multiplied by, which is He's otherwise.
    dtype : dtype_like
        That of x and all arrays.

    Examples
    --------
    >>> [type(layer).__name__ for layer in build("mlp", "rms", seed=0).layers[:4]]
    ['Flatten', 'Linear', 'RMSNorm', 'ReLU']
    """
    rng = np.random.default_rng([seed, 2])
    layers: list[Layer | None] = []
    inputs = 28 * 28
    if network == "mlp":
        layers.append(Flatten())
        for i in range(DEPTH):
            layers.append(Linear(rng, inputs, WIDTH, scale, first=i == 0, dtype=dtype))
            layers += [_norm(norm, (WIDTH,), dtype), ReLU()]
            inputs = WIDTH
    else:
        for before, after, size, side in CONVOLUTIONS:
            first = before == 1
            layers.append(Convolution(rng, before, after, size, 2, scale, first, dtype))
            layers += [_norm(norm, (side, side, after), dtype), ReLU()]
            inputs = side * side * after
        layers.append(Flatten())
    layers.append(Linear(rng, inputs, 10, scale, dtype=dtype))
    return Network([layer for layer in layers if layer is not None])


def _norm(norm: str, shape: tuple[int, ...], dtype: DTypeLike) -> Layer | None:
    """Return a layer for samples of this shape, channels last."""
    channels = shape[-1]
    batch = nbn.BatchNorm1d if len(shape) == 1 else nbn.BatchNorm2d
    if norm == "none":
        return None
    if norm in ("batch", "batch_plain"):
        return batch(channels, affine=norm == "batch", layout="NHWC", dtype=dtype)
    if norm == "layer":
        return nbn.LayerNorm(shape, dtype=dtype)
    if norm == "rms":
        return nbn.RMSNorm(shape, dtype=dtype)
    if norm == "group":
        return nbn.GroupNorm(GROUPS, channels, layout="NHWC", dtype=dtype)
    return nbn.InstanceNorm2d(channels, affine=True, layout="NHWC", dtype=dtype)
