"""The results as they are printed: a table for each network, gradients' norms, and the claims."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence

from numbanorm.experiment import measures
from numbanorm.experiment.claims import judged
from numbanorm.experiment.intervals import standard_error
from numbanorm.experiment.networks import DEPTH, NETWORKS, NORMS, norms_of
from numbanorm.experiment.results import Results

# How wide the claims' columns are.
_WIDTHS = 40, 56, 13


def lines(results: Results) -> list[str]:
    """Return the report."""
    about = results.about
    found = [
        f"{about['digits']:,} digits; each of {about['seeds']} seeds learns from "
        f"{about['learnt']:,} and holds out {about['held_out']:,}. "
        "Mean ± standard error over seeds."
    ]
    for network in NETWORKS:
        found += ["", f"{NETWORKS[network].capitalize()}", *_network(results, network)]
    found += ["", *_notes(results), "", "Norms of weights' gradients, multilayer perceptron"]
    found += _gradients(results)
    return [*found, "", *_claims(results)]


def _network(results: Results, network: str) -> Iterator[str]:
    best, about = results.best(), results.about
    levels = [f"to {level:.0%}" for level in about["levels"]]
    head = ["norm", "rate", "accuracy, %", *levels, "largest rate", "lost, rates"]
    rows = [[*head, "lost, scales", "drift"] if network == "mlp" else head]
    for norm in norms_of(network):
        runs = results.of("accuracy", network, norm)
        row = [NORMS[norm], f"{best[network, norm]:g}"]
        row.append(_mean([run.final for run in runs], _percent))
        for level in about["levels"]:
            row.append(_mean(measures.epochs_to(runs, level), lambda value: f"{value:.2f}"))
        row.append(_range(measures.largest_rates(results, network, norm)))
        row.append(_mean(measures.lost(results, "rates", network, norm), _percent))
        if network == "mlp":
            row.append(_mean(measures.lost(results, "scales", network, norm), _percent))
            row.append(_mean(measures.drifts(results, norm), lambda value: f"{value:.2f}"))
        rows.append(row)
    return _table(rows)


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _mean(values: Sequence[float], shown: Callable[[float], str]) -> str:
    reached = [value for value in values if math.isfinite(value)]
    if not reached:
        return "never"
    if len(reached) < len(values):
        return f"{len(reached)} of {len(values)}"
    return f"{shown(sum(values) / len(values))} ± {shown(standard_error(values))}"


def _range(values: list[float]) -> str:
    low, high = (f"{value:g}" if value else "none" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _notes(results: Results) -> Iterator[str]:
    about = results.about
    rates, scales = (f"{min(about[k]):g} to {max(about[k]):g}" for k in ("rates", "scales"))
    epochs = " or ".join(str(about["sweep_epochs"][network]) for network in NETWORKS)
    text = (
        f"Rate: of {len(about['rates'])} from {rates}, the best after {epochs} epochs (of the two "
        "networks) on digits that are not held out. To 90%: epochs until so many held-out digits "
        "are right; 2 of 5 if only so many seeds got there. Largest rate: with which "
        f"{about['trained']:.0%} are right after these epochs. Lost: percent of digits, below the "
        f"best rate or initial scale on average over all rates or scales ({scales} times He's). "
        "Drift: how far the means of layers' inputs move, in their deviations, all norms at the "
        f"rate {results.best()['mlp', 'none']:g}. Batch norm sets units' means before the ReLU to "
        "what it has learnt, whatever it is given. Gradients: at the first step."
    )
    yield from textwrap.wrap(text, 110)


def _gradients(results: Results) -> Iterator[str]:
    last = results.of("drift", "mlp", "none")[0].looks[-1].step
    head = [f"layer {i + 1}" for i in range(DEPTH + 1)]
    rows = [["norm", *head, "layer 1, last step", f"layer {DEPTH + 1}, last step"]]
    for norm in norms_of("mlp"):
        first, end = (measures.gradients(results, norm, step) for step in (0, last))
        shown = [*first, end[0], end[-1]] if end else [*first, math.nan, math.nan]
        rows.append([NORMS[norm], *(f"{value:.3g}" for value in shown)])
    return _table(rows)


def _table(rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])


def _claims(results: Results) -> Iterator[str]:
    """Yield the claims, each over some lines; an error bar is a 95 % confidence interval."""
    yield _cells(("claim", "measured, with 95 % confidence", "verdict"))
    found = judged(results)
    for claim in found:
        columns = [textwrap.wrap(text, width) for text, width in zip(claim, _WIDTHS)]
        for i in range(max(map(len, columns))):
            yield _cells([column[i] if i < len(column) else "" for column in columns])
    text = (
        "Supported: all of the interval is on the claim's side. One of twenty intervals misses "
        f"the truth by chance, of {len(found)} perhaps one."
    )
    yield from textwrap.wrap(text, 110)


def _cells(texts: Sequence[str]) -> str:
    return "  ".join(map(str.ljust, texts, _WIDTHS)).rstrip()
