"""The article's claims, what was measured, and whether that supports them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from numbanorm.experiment import measures
from numbanorm.experiment.digits import FOLDS
from numbanorm.experiment.intervals import Interval, interval
from numbanorm.experiment.networks import NETWORKS
from numbanorm.experiment.results import Results, Run

# Held-out digits to those learnt from, which `interval` wants to know.
OVERLAP = 1 / (FOLDS - 1)

# A drift counts from a tenth of the inputs' deviation on; one stops if a tenth of it is left.
LITTLE = 0.1

SUPPORTED, NOT, CONTRADICTED = "supported", "not supported", "contradicted"
PARTLY, UNTESTED = "in part", "not tested"


class Claim(NamedTuple):
    """A claim, what was measured with its 95 % interval, and the verdict."""

    claim: str
    measured: str
    verdict: str


def verdict(found: Interval, above: float = 0.0) -> str:
    """Return what an interval says of the claim that a number is above another.

    Examples
    --------
    >>> verdict(Interval(0.5, 0.2)), verdict(Interval(0.5, 0.7)), verdict(Interval(-0.5, 0.2))
    ('supported', 'not supported', 'contradicted')
    """
    if math.isnan(found.mean):
        return UNTESTED
    if found.low > above:
        return SUPPORTED
    return CONTRADICTED if found.high < above else NOT


def stopped(left: Interval) -> str:
    """Return what the share of a drift that is left says of the claim that it stops.

    Examples
    --------
    >>> stopped(Interval(0.05, 0.02)), stopped(Interval(0.6, 0.2)), stopped(Interval(0.9, 0.2))
    ('supported', 'in part', 'not supported')
    """
    if left.high < LITTLE:
        return SUPPORTED
    if left.high < 1:
        return PARTLY
    return CONTRADICTED if left.low > 1 else NOT


def judged(results: Results) -> list[Claim]:
    """Return all claims, each with its verdict.

    Parameters
    ----------
    results : Results
        Of any plan. Batch norm is that with gamma and beta, if a claim does not say otherwise.
    """
    found = list(_drift(results))
    for network in NETWORKS:
        found += _faster(results, network)
    found += [_larger(results, network) for network in NETWORKS]
    found.append(_steadier(results, "scales", "mlp"))
    found += [_steadier(results, "rates", network) for network in NETWORKS]
    found += [_parameters(results, network) for network in NETWORKS]
    return found


def _differences(a: list[float], b: list[float]) -> list[float]:
    return [x - y for x, y in zip(a, b)]


def _drift(results: Results) -> Iterator[Claim]:
    none = measures.drifts(results, "none")
    own = interval(none)
    yield Claim(
        "without norm, layers' inputs drift while earlier layers learn",
        f"units' means move by {own.mean:.2f} ± {own.half:.2f} of the inputs' deviation",
        verdict(own, LITTLE),
    )
    moved = interval(measures.drifts(results, "none", "moved"))
    for norm in "batch", "layer":
        left = interval([a / b for a, b in zip(measures.drifts(results, norm), none)])
        digit = interval(measures.drifts(results, norm, "moved"))
        yield Claim(
            f"{norm} norm stops this drift",
            f"{100 * left.mean:.1f} % ± {100 * left.half:.1f} of it is left; but the values "
            f"of a digit move by {digit.mean:.2f} deviations, without norm by {moved.mean:.2f}",
            stopped(left),
        )


def _faster(results: Results, network: str) -> Iterator[Claim]:
    rate = results.best()[network, "none"]
    pairs = {
        "each at its best rate": [results.of("accuracy", network, n) for n in ("none", "batch")],
        f"both at the rate {rate:g}": [
            measures.at_rate(results, network, norm, rate) for norm in ("none", "batch")
        ],
    }
    for how, (none, batch) in pairs.items():
        yield _epochs(f"{NETWORKS[network]}: batch norm trains faster, {how}", results, none, batch)


def _epochs(claim: str, results: Results, none: list[Run], batch: list[Run]) -> Claim:
    """Return the claim for the highest accuracy that both reach with all seeds."""
    for level in sorted(results.about["levels"], reverse=True):
        a, b = measures.epochs_to(none, level), measures.epochs_to(batch, level)
        if all(map(math.isfinite, a + b)):
            saved = interval(_differences(a, b), OVERLAP)
            measured = (
                f"{level:.0%} after {sum(b) / len(b):.2f} epochs, "
                f"without norm {sum(a) / len(a):.2f}; "
                f"{saved.mean:+.2f} ± {saved.half:.2f} saved"
            )
            return Claim(claim, measured, verdict(saved))
    return Claim(claim, "with some seeds no accuracy that is looked at is reached", UNTESTED)


def _larger(results: Results, network: str) -> Claim:
    claim = f"{NETWORKS[network]}: larger learning rates work with batch norm"
    none, batch = (measures.largest_rates(results, network, norm) for norm in ("none", "batch"))
    if 0 in none + batch:
        return Claim(claim, "with some seeds no rate trains", UNTESTED)
    rates = sorted(results.about["rates"])
    step = max(math.log10(b / a) for a, b in pairwise(rates))
    found = interval([math.log10(b / a) for a, b in zip(none, batch)], OVERLAP)
    # Each of both is known to a step of the rates only, by which they may be further apart or less.
    wider = Interval(found.mean, found.half + step)
    measured = (
        f"the largest that trains is {_rates(batch)}, without norm {_rates(none)}: "
        f"{10**found.mean:.3g} times, from {_times(wider.low, rates)} "
        f"to {_times(wider.high, rates)}"
    )
    if max(batch) == rates[-1]:
        measured += " or more, for none larger was tried"
    return Claim(claim, measured, verdict(wider))


def _rates(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _times(exponent: float, rates: list[float]) -> str:
    """Return a ratio of rates, at most that of the largest and the smallest that were tried."""
    most = math.log10(rates[-1] / rates[0])
    return f"{10 ** min(max(exponent, -most), most):.3g}"


def _steadier(results: Results, part: str, network: str) -> Claim:
    what = {"scales": "the initial scale", "rates": "the learning rate"}[part]
    none, batch = (measures.lost(results, part, network, norm) for norm in ("none", "batch"))
    gained = interval(_differences(none, batch), OVERLAP)
    values = sorted(results.about[part])
    return Claim(
        f"{NETWORKS[network]}: batch norm makes results depend less on {what}",
        f"on average over {values[0]:g} to {values[-1]:g}, {100 * sum(batch) / len(batch):.1f} % "
        f"of digits below the best, without norm {100 * sum(none) / len(none):.1f} %; "
        f"{100 * gained.mean:+.1f} ± {100 * gained.half:.1f}",
        verdict(gained),
    )


def _parameters(results: Results, network: str) -> Claim:
    plain, learnt = (
        measures.accuracies(results, network, norm) for norm in ("batch_plain", "batch")
    )
    gained = interval(_differences(learnt, plain), OVERLAP)
    half = "inside" if gained.low <= 0.005 <= gained.high else "outside"
    return Claim(
        f"{NETWORKS[network]}: gamma and beta raise accuracy, from 98.0 % to 98.5 %",
        f"from {100 * sum(plain) / len(plain):.2f} % to {100 * sum(learnt) / len(learnt):.2f} %: "
        f"{100 * gained.mean:+.2f} ± {100 * gained.half:.2f}; +0.5 is {half} that "
        f"(having learnt from {results.about['learnt']:,} digits)",
        verdict(gained),
    )
