"""Read asv's results: the values of every track_* benchmark, by machine, commit and parameters."""

import ast
import itertools
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from .errors import DashboardError

# The format of asv's result files that is read here; `asv update` brings older ones to it.
FORMAT = 2

# What distinguishes a benchmark's parameters: the values' texts, in the parameters' order.
Case = tuple[str, ...]


@dataclass(frozen=True, order=True)
class Commit:
    """A commit that was measured, ordered by its date."""

    date: int  # of the commit, milliseconds since 1970
    hash: str


@dataclass
class Track:
    """One track_* benchmark on one machine."""

    owner: str  # module and class: norms.BatchRatio
    measure: str  # the name after track_
    unit: str
    param_names: list[str]
    # A case that failed has None, one without a figure NaN.
    values: dict[Commit, dict[Case, float | None]] = field(default_factory=dict)

    @property
    def newest(self) -> Commit:
        """The last commit that has any figure."""
        return max(commit for commit, cases in self.values.items() if has_figure(cases))


@dataclass
class Host:
    """The results of one machine and environment."""

    machine: dict[str, str]
    environment: str
    tracks: dict[str, Track] = field(default_factory=dict)
    measured: dict[Commit, int] = field(default_factory=dict)  # when, milliseconds since 1970

    @property
    def newest(self) -> Commit:
        """The last commit that was measured."""
        return max(self.measured)


# By machine and environment.
Hosts = dict[tuple[str, str], Host]
# An object of asv's JSON.
Entry = dict[str, Any]


def is_figure(value: float | None) -> TypeGuard[float]:
    """Tell a number from a failure and from NaN."""
    return value is not None and math.isfinite(value)


def load(folder: Path) -> list[Host]:
    """Return every machine's track_* results in asv's results folder, the newest machine first."""
    path = folder / "benchmarks.json"
    if not path.exists():
        raise DashboardError(f"{folder} must hold asv's results, found no {path.name}")
    benchmarks = json.loads(path.read_text(encoding="utf-8"))
    hosts: Hosts = {}
    for path in sorted(folder.glob("*/*.json")):
        if path.name != "machine.json":
            add(hosts, json.loads(path.read_text(encoding="utf-8")), benchmarks, path)
    for host in hosts.values():
        found = sorted(host.tracks.items())
        host.tracks = {name: t for name, t in found if any(map(has_figure, t.values.values()))}
    return sorted((h for h in hosts.values() if h.tracks), key=lambda h: h.newest, reverse=True)


def has_figure(cases: dict[Case, float | None]) -> bool:
    """Tell if a commit has any figure."""
    return any(map(is_figure, cases.values()))


def add(hosts: Hosts, run: Entry, benchmarks: Entry, path: Path) -> None:
    """Add one result file's track_* values to its host."""
    if run.get("version") != FORMAT:
        raise DashboardError(f"{path} must be of format {FORMAT}, got {run.get('version')}")
    key = run["params"]["machine"], run["env_name"]
    host = hosts.setdefault(key, Host(run["params"], run["env_name"]))
    commit = Commit(run["date"], run["commit_hash"])
    for name, row in run["results"].items():
        entry = dict(zip(run["result_columns"], row))
        known = benchmarks.get(name)
        # Figures of another version of the benchmark are of something else; asv drops them too.
        if not is_track(name) or known is None or entry["version"] not in (None, known["version"]):
            continue
        track = host.tracks.setdefault(name, describe(name, known))
        track.values[commit] = cases(entry["result"], entry["params"])
        host.measured[commit] = max(host.measured.get(commit, 0), entry.get("started_at") or 0)


def is_track(name: str) -> bool:
    """Tell track_* from other benchmarks, by the last part of the name."""
    return re.fullmatch(r"(.*\.)?track_\w+", name) is not None


def describe(name: str, known: Entry) -> Track:
    """Return a benchmark without values from its entry in benchmarks.json."""
    owner, _, function = name.rpartition(".")
    return Track(owner, function.removeprefix("track_"), known["unit"], known["param_names"])


def cases(result: list[float | None] | None, params: list[list[str]]) -> dict[Case, float | None]:
    """Return case -> value from asv's flat list; a benchmark that failed outright has no list."""
    every = list(itertools.product(*(map(text, values) for values in params)))
    return dict(zip(every, result if result is not None else [None] * len(every)))


def text(param: str) -> str:
    """Return the text of a parameter, of which asv keeps the repr."""
    try:
        return str(ast.literal_eval(param))
    except (SyntaxError, ValueError):
        return param
