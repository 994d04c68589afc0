"""Verdicts on data that is made up: a claim inside the noise is not supported."""

import math
import re

import pytest

from numbanorm.experiment import claims, measures, report
from numbanorm.experiment.intervals import Interval, interval, standard_error
from numbanorm.experiment.networks import norms_of
from numbanorm.experiment.plan import QUICK, Job
from numbanorm.experiment.results import Results, Run
from numbanorm.experiment.training import Course
from numbanorm.experiment.watching import Look

RATES, SCALES = (0.003, 0.03, 0.3, 3.0), (0.1, 1.0, 10.0)
ABOUT = {
    "digits": 10000,
    "learnt": 8000,
    "held_out": 2000,
    "seeds": 5,
    "rates": RATES,
    "scales": SCALES,
    "trained": 0.9,
    "levels": (0.9, 0.95),
    "sweep_epochs": {"mlp": 3, "cnn": 2},
}


def made(accuracies=None, drift=None, largest=None, sensitive=None):
    """Return results in which norms differ in what is given, by norm; in nothing otherwise."""
    accuracies, drift, largest, sensitive = (
        given or {} for given in (accuracies, drift, largest, sensitive)
    )
    runs = []

    def add(part, network, norm, rate, scale, seed, curve, looks=()):
        epochs = [float(i + 1) for i in range(len(curve))]
        job = Job(part, network, norm, rate, scale, seed, len(curve))
        runs.append(Run(job, Course(epochs, list(curve)), list(looks)))

    for network in "mlp", "cnn":
        for norm in norms_of(network):
            for seed in range(5):
                for rate in RATES:
                    trains = rate <= largest.get(norm, 0.03)
                    final = 0.94 - abs(rate - 0.03) if trains else 0.1
                    add("rates", network, norm, rate, 1.0, seed, [0.5, max(final, 0.9 * trains)])
                final = accuracies.get(norm, [0.96] * 5)[seed]
                add("accuracy", network, norm, 0.03, 1.0, seed, [0.5, 0.92, final])
                if network == "cnn":
                    continue
                for scale in SCALES:
                    fails = scale != 1 and norm in sensitive
                    add("scales", network, norm, 0.03, scale, seed, [0.2 if fails else 0.93])
                moved = drift.get(norm, 0.5) * (1 + 0.01 * seed)
                looks = [
                    Look(0, [0.4] * 4, [0.6] * 4, [0.0] * 4, [0.0] * 4, [1.0] * 5),
                    Look(9, [0.4] * 4, [0.6] * 4, [moved] * 4, [1.0] * 4, [0.5] * 5),
                ]
                add("drift", network, norm, 0.03, 1.0, seed, [0.9], looks)
    return Results(dict(ABOUT), runs)


def verdicts(results, pattern):
    found = [claim for claim in claims.judged(results) if re.search(pattern, claim.claim)]
    assert found, pattern
    return {claim.verdict for claim in found}


NOISY = [0.958, 0.962, 0.964, 0.957, 0.959]


def test_half_a_percent_inside_the_noise_is_not_supported():
    plain, learnt = [0.961, 0.958, 0.955, 0.963, 0.966], [0.972, 0.954, 0.965, 0.960, 0.977]
    results = made(accuracies={"batch_plain": plain, "batch": learnt})
    assert sum(learnt) - sum(plain) == pytest.approx(5 * 0.005)
    assert verdicts(results, "gamma and beta") == {"not supported"}


def test_half_a_percent_outside_the_noise_is_supported():
    learnt = [value + 0.005 + 0.0003 * (-1) ** i for i, value in enumerate(NOISY)]
    results = made(accuracies={"batch_plain": NOISY, "batch": learnt})
    assert verdicts(results, "gamma and beta") == {"supported"}
    (measured, _) = (c.measured for c in claims.judged(results) if "gamma" in c.claim)
    assert "from 96.00 % to 96.51 %: +0.51" in measured and "+0.5 is inside" in measured


def test_half_a_percent_the_other_way_is_contradicted():
    learnt = [value - 0.005 + 0.0003 * (-1) ** i for i, value in enumerate(NOISY)]
    results = made(accuracies={"batch_plain": NOISY, "batch": learnt})
    assert verdicts(results, "gamma and beta") == {"contradicted"}


def test_equal_networks_support_nothing():
    found = claims.judged(made())
    compared = [claim for claim in found if "without norm, layers" not in claim.claim]
    assert {claim.verdict for claim in compared} == {"not supported"}, found


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        ({"none": 0.8, "batch": 0.04, "layer": 0.6}, ["supported", "supported", "in part"]),
        ({"none": 0.05, "batch": 0.05, "layer": 0.1}, ["contradicted", "not supported"] * 1
         + ["contradicted"]),
    ],
)  # fmt: skip
def test_drift(drift, expected):
    found = claims.judged(made(drift=drift))[:3]
    assert [claim.verdict for claim in found] == expected


def test_rates_must_be_further_apart_than_the_steps_between_those_tried():
    assert verdicts(made(largest={"batch": 0.3}), "larger learning") == {"not supported"}
    assert verdicts(made(largest={"batch": 3.0}), "larger learning") == {"supported"}
    assert verdicts(made(largest={"none": 3.0}), "larger learning") == {"contradicted"}
    assert verdicts(made(largest={"none": 0.0}), "larger learning") == {"not tested"}


def test_sensitivity_to_the_initial_scale():
    assert verdicts(made(sensitive={"none": 1}), "initial scale") == {"supported"}
    assert verdicts(made(sensitive={"batch": 1}), "initial scale") == {"contradicted"}


def test_epochs_to_an_accuracy_lie_between_two_looks():
    run = Run(
        Job("accuracy", "mlp", "none", 0.1, 1.0, 0, 3), Course([1, 2, 3], [0.5, 0.9, 0.8]), []
    )
    assert run.epochs_to(0.9) == 2
    assert run.epochs_to(0.7) == pytest.approx(1.5)
    assert run.epochs_to(0.3) == pytest.approx(0.5)
    assert run.epochs_to(0.95) == math.inf


def test_speed_is_compared_at_an_accuracy_that_all_seeds_reach():
    slow = [0.94] * 4 + [0.91]
    results = made(accuracies={"none": slow})
    found = [claim for claim in claims.judged(results) if "trains faster" in claim.claim]
    assert all(claim.measured.startswith("90%") for claim in found)
    results = made(accuracies={"none": [0.6] * 5})
    for run in results.of("accuracy", "mlp", "none") + results.of("rates", "mlp", "none"):
        run.course.accuracy = [0.3] * len(run.course.accuracy)
    assert verdicts(results, "perceptron: batch norm trains faster") == {"not tested"}


def test_intervals():
    scipy = pytest.importorskip("scipy.stats")
    for values in ([1.0, 2.5], [3.0, 1.0, 4.0, 1.0, 5.0], [0.1 * i * i for i in range(11)]):
        assert standard_error(values) == pytest.approx(scipy.sem(values))
        low, high = scipy.t.interval(0.95, len(values) - 1, sum(values) / len(values),
                                     scipy.sem(values))  # fmt: skip
        found = interval(values)
        assert (found.low, found.high) == pytest.approx((low, high), abs=1e-3)
    for count in (15, 40):
        exact = scipy.t.ppf(0.975, count - 1)
        values = [float(i % 3) for i in range(count)]
        half = interval(values).half
        assert exact * standard_error(values) <= half < 1.1 * exact * standard_error(values)


def test_one_value_has_no_error_bar_and_none_no_mean():
    assert interval([2.0]) == Interval(2.0, math.inf)
    assert claims.verdict(interval([2.0])) == "not supported"
    assert claims.verdict(interval([])) == "not tested"
    assert math.isnan(standard_error([1.0]))


def test_the_report_has_all_norms_and_claims():
    results = made(accuracies={"none": [0.96, 0.96, 0.91, 0.96, 0.97]})
    text = "\n".join(report.lines(results))
    assert "10,000 digits; each of 5 seeds learns from 8,000 and holds out 2,000" in text
    assert "95.20 ± 1.07" in text  # none's accuracy
    assert "4 of 5" in text  # that reached 95 %
    assert text.count("batch, no gamma and beta") == 3
    assert len(claims.judged(results)) == 14
    assert max(map(len, text.splitlines())) < 150


def test_largest_rates_and_best():
    results = made(largest={"batch": 0.3, "none": 0.0})
    assert results.best()["mlp", "batch"] == 0.03
    assert measures.largest_rates(results, "cnn", "batch") == [0.3] * 5
    assert measures.largest_rates(results, "cnn", "none") == [0.0] * 5


def test_plans_count_their_costs_once():
    any_rate = {(network, norm): 1.0 for network in ("mlp", "cnn") for norm in norms_of(network)}
    assert len(list(QUICK.jobs("rates", any_rate))) == 4 * (6 + 7) * 2
    assert QUICK.cost("drift") == 3 * 6 * 2
    assert QUICK.with_seeds(None) is QUICK and QUICK.with_seeds(8).seeds == 8
