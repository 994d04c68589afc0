"""Numbers that tables, claims and figures are made of: one for each seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import groupby

from numbanorm.experiment.results import Results, Run


def by_seed(runs: list[Run], value: Callable[[list[Run]], float]) -> list[float]:
    """Return a value of each seed's runs, which come in the order of seeds."""
    return [value(list(group)) for _, group in groupby(runs, key=lambda run: run.job.seed)]


def accuracies(results: Results, network: str, norm: str) -> list[float]:
    """Return the accuracy on held-out digits, at the norm's best rate."""
    return [run.final for run in results.of("accuracy", network, norm)]


def epochs_to(runs: list[Run], level: float) -> list[float]:
    """Return when an accuracy was reached."""
    return [run.epochs_to(level) for run in runs]


def at_rate(results: Results, network: str, norm: str, rate: float) -> list[Run]:
    """Return the runs that had a rate, of those that tried all rates."""
    return [run for run in results.of("rates", network, norm) if run.job.rate == rate]


def largest_rates(results: Results, network: str, norm: str) -> list[float]:
    """Return the largest rate that trains; 0 if none does."""

    def largest(runs: list[Run]) -> float:
        trained = results.about["trained"]
        return max((run.job.rate for run in runs if run.final >= trained), default=0.0)

    return by_seed(results.of("rates", network, norm), largest)


def lost(results: Results, part: str, network: str, norm: str) -> list[float]:
    """Return how far the accuracy is below its best, on average over all rates or scales."""

    def below(runs: list[Run]) -> float:
        finals = [run.final for run in runs]
        return max(finals) - sum(finals) / len(finals)

    return by_seed(results.of(part, network, norm), below)


def drifts(results: Results, norm: str, of: str = "drift") -> list[float]:
    """Return how far units' means moved in the end, on average over layers; inf if not finite.

    Instead of the units' means, each digit's own values if `of` is "moved".
    """

    def drift(run: Run) -> float:
        moved = getattr(run.looks[-1], of)
        mean = float(sum(moved) / len(moved))
        return mean if math.isfinite(mean) else math.inf

    return [drift(run) for run in results.of("drift", "mlp", norm)]


def gradients(results: Results, norm: str, step: int) -> list[float]:
    """Return the norms of gradients of all layers' weights at a step: geometric means of seeds."""
    found = [
        look.gradients
        for run in results.of("drift", "mlp", norm)
        for look in run.looks
        if look.step == step
    ]
    return [
        math.exp(sum(math.log(max(norm, 1e-300)) for norm in norms) / len(norms))
        for norms in zip(*found)
    ]
