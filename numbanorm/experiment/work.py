"""The work itself: all trainings of a plan, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache

import numpy as np

import numbanorm as nbn
from numbanorm._progress import Progress
from numbanorm.experiment import digits
from numbanorm.experiment.digits import Digits, Split
from numbanorm.experiment.networks import NETWORKS, NORMS, build
from numbanorm.experiment.plan import PARTS, Job, Plan, cost
from numbanorm.experiment.results import Results, Run
from numbanorm.experiment.training import train
from numbanorm.experiment.watching import Watch

_BAR = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}<{remaining}]"

# So many digits are looked at for the drift.
_WATCHED = 500


def run(plan: Plan, data: Digits) -> Results:
    """Train all networks of a plan.

    Parameters
    ----------
    plan : Plan
        What to train.
    data : Digits
        What with; of more than the plan says, the first are taken.

    Returns
    -------
    Results
        The same for the same plan, digits and libraries.
    """
    data = Digits(*(array[: plan.digits] for array in data))

    @lru_cache(1)
    def split(seed: int, validate: bool) -> Split:
        return digits.split(data, seed, validate)

    sizes = split(0, False)
    about = asdict(plan) | {
        "digits": len(data.labels),
        "learnt": len(sizes.labels),
        "held_out": len(sizes.test_labels),
        "numbanorm": nbn.__version__,
        "numpy": np.__version__,
    }
    results = Results(about, [])
    costs = {part: plan.cost(part) for part in PARTS}
    with Progress(sum(costs.values()), _BAR) as progress:
        for part, name in PARTS.items():
            best = results.best()
            jobs = list(plan.jobs(part, best))
            if not progress.shown:
                share = costs[part] / sum(costs.values())
                progress.say(f"{name}: {len(jobs)} networks, {share:.0%} of the work")
            for job in jobs:
                results.runs.append(_trained(job, plan, split, progress))
    return results


def _trained(job: Job, plan: Plan, split: Callable[[int, bool], Split], progress: Progress) -> Run:
    """Return one training, and move the bar as it goes on."""
    found = split(job.seed, job.part in ("rates", "scales"))
    progress.name(f"{PARTS[job.part]}: {NETWORKS[job.network]}, {NORMS[job.norm]}")
    left = cost(job)
    each = left / (job.epochs * len(found.labels))

    def advance(count: int) -> None:
        nonlocal left
        left -= count * each
        progress.advance(count * each)

    watch = Watch(found.x[:_WATCHED], plan.every) if job.part == "drift" else None
    network = build(job.network, job.norm, job.seed, job.scale)
    course = train(network, found, job.rate, job.epochs, plan.batch, job.seed, watch, advance)
    # What a batch less than whole, or a training that ended early, left.
    progress.advance(left)
    return Run(job, course, [] if watch is None else watch.looks)
