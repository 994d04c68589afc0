"""What layers are given as they learn, and their gradients."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.experiment.layers import Linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.experiment.networks import Network

    Array = NDArray[Any]


@dataclass
class Look:
    """A look at all layers but the first, before a step; lists have a number for each of them."""

    step: int
    # Of all values of all units.
    mean: list[float]
    deviation: list[float]
    # How far units' means have moved since step 0: root mean square over units, in units of the
    # deviation at step 0.
    drift: list[float]
    # Likewise of all values, those of each digit by themselves.
    moved: list[float]
    # Norms of the gradients of weights; of the first layer too. Empty before any `backward`.
    gradients: list[float]


class Watch:
    """Looks at what layers are given, for the same digits each time.

    Parameters
    ----------
    x : ndarray
        The digits.
    every : int
        After the first steps, one of so many is looked at.
    """

    def __init__(self, x: Array, every: int) -> None:
        self._x, self._every = x, every
        self._given: list[Array] = []
        self.looks: list[Look] = []

    def __call__(self, step: int, network: Network) -> None:
        """Look, if it is time to."""
        if step % self._every == 0 or step in (1, 2, 4, 7):
            self.look(step, network)

    def look(self, step: int, network: Network) -> None:
        """Look at a copy of a network in training mode, so that it stays as it is."""
        given = _given(copy.deepcopy(network), self._x)
        mean = [float(x.mean(dtype=np.float64)) for x in given]
        deviation = [float(x.std(dtype=np.float64)) for x in given]
        self._given = self._given or given
        first = self.looks[0].deviation if self.looks else deviation
        changes = [
            np.subtract(now, then, dtype=np.float64) for now, then in zip(given, self._given)
        ]
        drift = [_size(change.mean(axis=0)) / unit for change, unit in zip(changes, first)]
        moved = [_size(change) / unit for change, unit in zip(changes, first)]
        found = [layer.gradients() for layer in network.weighted()]
        gradients = [float(np.linalg.norm(one["weight"])) for one in found if one]
        self.looks.append(Look(step, mean, deviation, drift, moved, gradients))


def _size(x: Array) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(x * x)))


def _given(network: Network, x: Array) -> list[Array]:
    """Return the inputs of all layers with weights but the first, one row for each sample."""
    given = []
    for layer in network.layers:
        if isinstance(layer, Linear) and not layer.first:
            given.append(x.reshape(-1, x.shape[-1]))
        x = layer(x)
    return given
