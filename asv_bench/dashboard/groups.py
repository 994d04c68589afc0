"""Group a benchmark's cases by layout and pass, with the mean and history of each group."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .results import Case, Commit, Track, is_figure

# Parameters whose values make groups; the others tell the cases of a group apart.
GROUPING = {"layout", "mode", "pass", "direction", "dtype"}


@dataclass
class Group:
    """Cases of one benchmark that differ only in shape, threads and the like."""

    name: str  # "NCHW · train", empty where nothing groups
    cases: dict[str, float | None]  # label -> value at the newest commit
    history: list[tuple[Commit, float]]  # mean of the same cases, the oldest commit first

    @property
    def mean(self) -> float:
        """Geometric mean of the cases that have a figure."""
        return geometric(self.cases.values())


def geometric(values: Iterable[float | None]) -> float:
    """Return the geometric mean of the figures; NaN for none, or any that is not positive."""
    figures = [v for v in values if is_figure(v)]
    if not figures or min(figures) <= 0:
        return math.nan
    return math.exp(sum(map(math.log, figures)) / len(figures))


def groups(track: Track) -> list[Group]:
    """Return a benchmark's groups in the order of its parameters."""
    members: dict[Case, list[Case]] = {}
    for case in track.values[track.newest]:
        key = tuple(v for n, v in zip(track.param_names, case) if n in GROUPING)
        members.setdefault(key, []).append(case)
    return [group(track, " · ".join(key), cases) for key, cases in members.items()]


def group(track: Track, name: str, cases: list[Case]) -> Group:
    """Return one group of a benchmark."""
    newest = track.values[track.newest]
    figured = [case for case in cases if is_figure(newest[case])]
    history = []
    # A mean of fewer cases would compare nothing.
    for commit, values in sorted(track.values.items(), key=lambda item: item[0]):
        if figured and all(is_figure(values.get(case)) for case in figured):
            history.append((commit, geometric(values[case] for case in figured)))
    return Group(name, {label(track.param_names, c): newest[c] for c in cases}, history)


def label(names: list[str], case: Case) -> str:
    """Return what tells a case from others of its group: texts alone, numbers with their name."""
    parts = [
        f"{name}={value}" if re.fullmatch(r"[-+\d.e]+", value) else value
        for name, value in zip(names, case)
        if name not in GROUPING
    ]
    return " · ".join(parts) or "value"


def owner_labels(owners: Iterable[str]) -> dict[str, str]:
    """Return module and class -> the shortest label that is unique.

    A class that is called nothing but Ratio is named by its module: Layer for layer.Ratio, and
    Batch for norms.BatchRatio.
    """
    owners = sorted(set(owners))
    short = {owner: _short(*owner.split(".")[-2:]) for owner in owners}
    every = list(short.values())
    return {o: s if every.count(s) == 1 else o for o, s in short.items()}


def _short(module: str, name: str = "") -> str:
    """Return a class's name without what says that it holds ratios, or else its module's."""
    bare = re.sub(r"(Ratio|Track|Suite)s?$", "", name or module)
    return bare or module.replace("_", " ").capitalize()
