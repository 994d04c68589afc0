"""What is trained: the parts of the experiment, and how much of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from numbanorm.experiment.networks import NETWORKS, norms_of

# Networks for each rate; with the best of them; from other initial weights; looked at on the way.
PARTS = {
    "rates": "learning rates",
    "accuracy": "accuracy",
    "scales": "initial scales",
    "drift": "drift",
}

# About how much longer a digit takes in one than in the other.
COSTS = {"mlp": 1.0, "cnn": 3.0}

Best = Mapping[tuple[str, str], float]


class Job(NamedTuple):
    """One training."""

    part: str
    network: str
    norm: str
    rate: float
    scale: float
    seed: int
    epochs: int


@dataclass(frozen=True)
class Plan:
    """How much of what is trained."""

    # Seeds of the accuracy and drift, and of the others.
    seeds: int
    sweep_seeds: int
    # Epochs of each network, for the accuracy and for the others.
    epochs: Mapping[str, int]
    sweep_epochs: Mapping[str, int]
    rates: tuple[float, ...]
    scales: tuple[float, ...]
    # A network trains if it gets this share right in the end; shares whose epochs are reported.
    trained: float
    levels: tuple[float, ...]
    # How many of the digits there are; all of them if None.
    digits: int | None = None
    batch: int = 100
    # One of so many steps is looked at for the drift.
    every: int = 10

    def with_seeds(self, seeds: int | None) -> Plan:
        """Return the same with so many seeds for the accuracy and drift."""
        if seeds is None:
            return self
        return replace(self, seeds=seeds, sweep_seeds=min(seeds, self.sweep_seeds))

    def jobs(self, part: str, best: Best) -> Iterator[Job]:
        """Yield a part's trainings, given the best rates by network and norm.

        What differs between those that follow each other is the norm, so that a progress bar's
        time left is about right from the start.
        """
        many = part in ("accuracy", "drift")
        for seed in range(self.seeds if many else self.sweep_seeds):
            for network in NETWORKS if part in ("rates", "accuracy") else ("mlp",):
                epochs = (self.epochs if part == "accuracy" else self.sweep_epochs)[network]
                for rate in self.rates if part == "rates" else (None,):
                    for scale in self.scales if part == "scales" else (1.0,):
                        for norm in norms_of(network):
                            # The drift is compared where nothing but the norm differs.
                            of = "none" if part == "drift" else norm
                            taken = best[network, of] if rate is None else rate
                            yield Job(part, network, norm, taken, scale, seed, epochs)

    def cost(self, part: str) -> float:
        """Return the sum of the costs of a part's jobs."""
        any_rate = {(network, norm): 0.0 for network in NETWORKS for norm in norms_of(network)}
        return sum(cost(job) for job in self.jobs(part, any_rate))


def cost(job: Job) -> float:
    """Return about how long a training takes, in no unit."""
    return job.epochs * COSTS[job.network]


FULL = Plan(
    seeds=5,
    sweep_seeds=5,
    epochs={"mlp": 20, "cnn": 10},
    sweep_epochs={"mlp": 3, "cnn": 2},
    rates=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    scales=(0.01, 0.1, 0.3, 1.0, 3.0, 10.0),
    trained=0.9,
    levels=(0.9, 0.95, 0.97),
)

QUICK = Plan(
    seeds=3,
    sweep_seeds=2,
    epochs={"mlp": 6, "cnn": 3},
    sweep_epochs={"mlp": 2, "cnn": 1},
    rates=(0.003, 0.03, 0.3, 3.0),
    scales=(0.1, 1.0, 10.0),
    trained=0.7,
    levels=(0.8, 0.85, 0.9),
    digits=2000,
    batch=50,
)
