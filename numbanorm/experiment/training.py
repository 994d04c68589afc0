"""Training: softmax and cross-entropy, SGD with momentum, and what is seen on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from numbanorm.experiment.watching import Watch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.experiment.digits import Split
    from numbanorm.experiment.layers import Layer
    from numbanorm.experiment.networks import Network

    Array = NDArray[Any]

MOMENTUM = 0.9
# So many digits at a time where nothing is learnt.
_AT_ONCE = 500


@dataclass
class Course:
    """How a training went."""

    # When the network was judged, in epochs, and the share of digits it then got right.
    times: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    # Whether its loss was not finite any more, which ended it.
    diverged: bool = False


def cross_entropy(y: Array, labels: Array) -> tuple[float, Array]:
    """Return the mean of the cross-entropy of softmax(y), and its gradient.

    Examples
    --------
    >>> import numpy as np
    >>> loss, dy = cross_entropy(np.zeros((1, 4)), np.array([2]))
    >>> round(loss, 4), dy  # log(4)
    (1.3863, array([[ 0.25,  0.25, -0.75,  0.25]]))
    """
    rows = np.arange(len(labels))
    shifted = y - y.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    sums = powers.sum(axis=1, keepdims=True)
    loss = float(np.mean(np.log(sums[:, 0]) - shifted[rows, labels], dtype=np.float64))
    dy = powers / sums
    dy[rows, labels] -= 1
    dy /= len(labels)
    return loss, dy


class Momentum:
    """SGD: velocity = 0.9 * velocity - rate * gradient, and parameters move by it.

    Parameters
    ----------
    network : Network
        Whose parameters these are.
    rate : float
        The learning rate.
    """

    def __init__(self, network: Network, rate: float) -> None:
        self._rate = rate
        self._moving: list[tuple[Layer, str, Array, Array]] = [
            (layer, name, value, np.zeros_like(value))
            for layer, name, value in network.parameters()
        ]

    def step(self) -> None:
        """Take one step, along the gradients of the last `backward`."""
        for layer, name, value, velocity in self._moving:
            velocity *= MOMENTUM
            velocity -= self._rate * layer.gradients()[name]
            value += velocity


def accuracy(network: Network, x: Array, labels: Array) -> float:
    """Return the share of digits that a network gets right, in inference."""
    network.train(False)
    found = [network(x[i : i + _AT_ONCE]).argmax(axis=1) for i in range(0, len(x), _AT_ONCE)]
    network.train()
    return float(np.mean(np.concatenate(found) == labels))


def train(
    network: Network,
    split: Split,
    rate: float,
    epochs: int,
    batch: int,
    seed: int,
    watch: Watch | None = None,
) -> Course:
    """Train a network; the same arguments give the same course.

    Parameters
    ----------
    network : Network
        It is changed.
    split : Split
        What it learns from and is judged by: each quarter of the first two epochs, then each epoch.
    rate : float
        The learning rate.
    epochs, batch : int
        How often each digit is seen, and how many are at once.
    seed : int
        What decides on the digits' order, which is the same for all networks.
    watch : Watch, optional
        What is asked at each step.
    """
    rng = np.random.default_rng([seed, 3])
    count, course, optimizer = len(split.x), Course(), Momentum(network, rate)
    batches = max(1, count // batch)
    judged = {batches * i // 4 for i in range(1, 8)} | {batches * i for i in range(1, epochs + 1)}
    step = 0
    with np.errstate(all="ignore"):
        for _ in range(epochs):
            order = rng.permutation(count)
            for i in range(batches):
                rows = order[i * batch : (i + 1) * batch]
                loss, dy = cross_entropy(network(split.x[rows]), split.labels[rows])
                network.backward(dy)
                if watch is not None:
                    watch(step, network)
                course.diverged = not np.isfinite(loss)
                if not course.diverged:
                    optimizer.step()
                step += 1
                if step in judged or course.diverged:
                    course.times.append(step / batches)
                    course.accuracy.append(accuracy(network, split.test_x, split.test_labels))
                if course.diverged:
                    return course
        if watch is not None:
            watch.look(step, network)
    return course
