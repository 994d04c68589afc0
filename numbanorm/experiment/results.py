"""What was measured: all trainings, as they are kept in a file, and what is found from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from numbanorm._files import numbers
from numbanorm._refusals import of_file
from numbanorm.experiment.networks import NETWORKS, norms_of
from numbanorm.experiment.plan import PARTS, Job
from numbanorm.experiment.training import Course
from numbanorm.experiment.watching import Look

_KIND, _VERSION = "numbanorm.experiment", 1


@dataclass
class Run:
    """A training, and how it went."""

    job: Job
    course: Course
    looks: list[Look]

    @property
    def final(self) -> float:
        """The last accuracy."""
        return self.course.accuracy[-1]

    def epochs_to(self, accuracy: float) -> float:
        """Return when an accuracy was first reached, in epochs; inf if never.

        Between two looks it is where the line between them crosses the accuracy.
        """
        before, then = 0.1, 0.0
        for now, found in zip(self.course.times, self.course.accuracy):
            if found >= accuracy:
                return then + (now - then) * (accuracy - before) / (found - before)
            before, then = found, now
        return math.inf


@dataclass
class Results:
    """All trainings, and what they had in common."""

    # How many digits there were, of each seed's networks learnt from and held out; the seeds, the
    # epochs and the rest of the plan; versions.
    about: dict[str, Any]
    runs: list[Run]

    def of(self, part: str, network: str = "mlp", norm: str | None = None) -> list[Run]:
        """Return the runs of a part of the experiment, in the order of seeds."""
        found = [
            run
            for run in self.runs
            if (run.job.part, run.job.network) == (part, network) and norm in (None, run.job.norm)
        ]
        return sorted(found, key=lambda run: run.job.seed)

    def best(self) -> dict[tuple[str, str], float]:
        """Return, for each network and norm, the rate with the highest mean accuracy."""
        return {
            (network, norm): max(means, key=lambda value: means[value])
            for network in NETWORKS
            for norm in norms_of(network)
            if (means := self._means("rates", network, norm, "rate"))
        }

    def _means(self, part: str, network: str, norm: str, by: str) -> dict[float, float]:
        found: dict[float, list[float]] = {}
        for run in self.of(part, network, norm):
            found.setdefault(getattr(run.job, by), []).append(run.final)
        return {value: sum(finals) / len(finals) for value, finals in found.items()}

    def means(self, part: str, network: str, norm: str) -> dict[float, float]:
        """Return the mean final accuracy for each rate or scale, in rising order."""
        by = "rate" if part == "rates" else "scale"
        return dict(sorted(self._means(part, network, norm, by).items()))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, of types that JSON has."""
        runs = [
            run.job._asdict() | asdict(run.course) | {"looks": [_look(one) for one in run.looks]}
            for run in self.runs
        ]
        return {"kind": _KIND, "version": _VERSION, "about": self.about, "runs": runs}


def load(path: str) -> Results:
    """Return what a file holds that the command wrote; a Refusal if it holds something else."""
    return of_file("--from", path, "numbanorm experiment", _results)


def _results(found: Any) -> Results:
    if found["kind"] != _KIND or found["version"] != _VERSION:
        raise ValueError(f"it is {found['kind']} of version {found['version']}")
    results = Results(dict(found["about"]), [_run(one) for one in found["runs"]])
    if {run.job.part for run in results.runs} != set(PARTS):
        raise ValueError("parts of the experiment are missing")
    return results


def _look(look: Look) -> dict[str, Any]:
    """Return a look with its numbers as JSON has them."""
    lists = asdict(look)
    step = lists.pop("step")
    return {"step": step} | {name: numbers(np.array(values)) for name, values in lists.items()}


def _run(one: Mapping[str, Any]) -> Run:
    job = Job(**{name: one[name] for name in Job._fields})
    course = Course(**{name: one[name] for name in ("times", "accuracy", "diverged")})
    if not course.accuracy or len(course.accuracy) != len(course.times):
        raise ValueError("a run must have an accuracy for each of its times")
    looks = []
    for look in one["looks"]:
        lists = {name: list(map(float, values)) for name, values in look.items() if name != "step"}
        looks.append(Look(step=int(look["step"]), **lists))
    return Run(job, course, looks)
