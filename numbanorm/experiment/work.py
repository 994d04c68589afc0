"""The work itself: all trainings of a plan, in as many processes as there are threads."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

import numbanorm as nbn
from numbanorm._progress import Progress
from numbanorm.experiment import digits, processes
from numbanorm.experiment.digits import Digits
from numbanorm.experiment.networks import NETWORKS, NORMS, build
from numbanorm.experiment.plan import PARTS, Job, Plan, cost
from numbanorm.experiment.results import Results, Run
from numbanorm.experiment.training import train
from numbanorm.experiment.watching import Watch

if TYPE_CHECKING:
    from numbanorm.experiment.digits import Split

_BAR = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}]"

# So many digits are looked at for the drift.
_WATCHED = 500

# Trainings of one batch, before all others: between them they call all kernels. So no two processes
# compile the same, where kernels are not in the cache.
_FIRST = [Job("compile", "mlp", norm, 0.01, 1.0, 0, 1) for norm in ("batch", "layer")]


class Trainer:
    """Does jobs, in a process that has the digits.

    Parameters
    ----------
    data : Digits
        All of them.
    plan : Plan
        What jobs are of.
    """

    def __init__(self, data: Digits, plan: Plan) -> None:
        self._data, self._plan = data, plan
        self._splits: dict[tuple[int, bool], Split] = {}

    def __call__(self, job: Job) -> Run:
        """Return one training."""
        split = self._split(job.seed, job.part in ("rates", "scales"))
        if job.part == "compile":
            split = digits.Split(*(array[: self._plan.batch] for array in split))
        watch = Watch(split.x[:_WATCHED], self._plan.every) if job.part == "drift" else None
        network = build(job.network, job.norm, job.seed, job.scale)
        batch = self._plan.batch
        course = train(network, split, job.rate, job.epochs, batch, job.seed, watch)
        return Run(job, course, [] if watch is None else watch.looks)

    def _split(self, seed: int, validate: bool) -> Split:
        """Return a split, and keep it for the next job, which mostly has the same."""
        if (seed, validate) not in self._splits:
            self._splits = {(seed, validate): digits.split(self._data, seed, validate)}
        return self._splits[seed, validate]


def run(plan: Plan, data: Digits) -> Results:
    """Train all networks of a plan.

    Parameters
    ----------
    plan : Plan
        What to train.
    data : Digits
        What with; of more than the plan says, some are taken at random.

    Returns
    -------
    Results
        The same for the same plan, digits and libraries, by any number of processes.
    """
    if plan.digits is not None:
        some = np.random.default_rng(0).permutation(len(data.labels))[: plan.digits]
        data = Digits(*(array[some] for array in data))
    sizes = digits.split(data, 0)
    about = asdict(plan) | {
        "digits": len(data.labels),
        "learnt": len(sizes.labels),
        "held_out": len(sizes.test_labels),
        "numbanorm": nbn.__version__,
        "numpy": np.__version__,
    }
    results = Results(about, [])
    total = sum(plan.cost(part) for part in PARTS)
    with (
        processes.started(Trainer(data, plan), nbn.get_num_threads()) as trained,
        Progress(total, _BAR) as progress,
    ):
        progress.name("compiling")
        list(trained(_FIRST))
        for part, name in PARTS.items():
            jobs = list(plan.jobs(part, results.best()))
            if not progress.shown:
                share = sum(map(cost, jobs)) / total
                progress.say(f"{name}: {len(jobs)} networks, {share:.0%} of the work")
            for found in trained(jobs):
                results.runs.append(found)
                job = found.job
                progress.name(f"{name}: {NETWORKS[job.network]}, {NORMS[job.norm]}")
                progress.advance(cost(job))
    return results
