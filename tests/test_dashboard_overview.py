"""The dashboard's overview: results read, grouped and drawn."""

import dataclasses
import json
import math

import pytest
from dashboard_results import BENCHMARKS, write_results

from asv_bench.dashboard.errors import DashboardError
from asv_bench.dashboard.groups import groups, owner_labels
from asv_bench.dashboard.overview import overview
from asv_bench.dashboard.results import load
from asv_bench.dashboard.scales import scale, short


@pytest.fixture
def commits():
    """Three commits that no repository has, a day apart."""
    return [(digit * 40, 1_767_268_800_000 + i * 86_400_000) for i, digit in enumerate("abc")]


@pytest.fixture
def host(tmp_path, commits):
    write_results(tmp_path / "results", commits)
    (found,) = load(tmp_path / "results")
    return found


def test_newest_values_and_history(host, commits):
    track = host.tracks["norms.RmsRatio.track_memory"]
    (group,) = groups(track)
    assert group.name == "NCHW · train"
    assert list(group.cases)[:2] == ["8192x1024 · threads=1", "8192x1024 · threads=2"]
    assert group.mean == pytest.approx(0.6)
    assert [round(mean, 2) for _, mean in group.history] == [0.5, 0.55, 0.6]
    assert host.newest.hash == commits[-1][0]


def test_failures_and_missing_figures_stay_apart(host):
    found = groups(host.tracks["norms.BatchRatio.track_torch"])
    values = [v for group in found for v in group.cases.values()]
    assert values.count(None) == 1 and sum(v is not None and math.isnan(v) for v in values) == 1
    assert all(math.isfinite(group.mean) for group in found)


def test_another_version_of_a_benchmark_is_left_out(tmp_path, commits):
    write_results(tmp_path, commits)
    path = tmp_path / "benchmarks.json"
    known = json.loads(path.read_text())
    known["norms.RmsRatio.track_memory"]["version"] = "2"
    path.write_text(json.dumps(known))
    (host,) = load(tmp_path)
    assert "norms.RmsRatio.track_memory" not in host.tracks
    assert set(host.tracks) < {name for name in BENCHMARKS if ".track_" in name}


def test_overview_says_what_was_measured(host):
    page = overview("numbanorm", [host, dataclasses.replace(host, environment="existing-py_x")])
    for text in (
        "Benchmarks on desk",
        "A CPU &lt;fast&gt;",
        "2026-01-03",
        "asv run --bench track_ cccccccc^!",
        "git checkout cccccccc &amp;&amp; asv run",
        "1.0 limit",
        "1.0 equal",
        "PyTorch time / time, logarithmic",
        ">failed<",
        "eps",
        'href="index.html#/regressions"',
    ):
        assert text in page
    assert "http" not in page and "existing-py_x" not in page


def test_overview_without_results(tmp_path):
    assert "has a result yet" in overview("numbanorm", [])
    with pytest.raises(DashboardError, match=r"must hold asv's results, found no benchmarks\.json"):
        load(tmp_path)


def test_axes():
    assert scale([0.2, 0.9], ratio=True, width=100).at(1.0) == 100
    log = scale([0.5, 8], ratio=True, width=100)
    assert log.log and log.at(2.0) == pytest.approx(50)
    assert not scale([3, 50], ratio=False, width=100).log
    assert scale([0.0], ratio=False, width=100).at(0.0) == 0
    assert [short(v) for v in (0, 0.456, 4.56, 45.6, 456.7, 1e-7)] == [
        *("0.00", "0.46", "4.56", "45.6", "457", "1e-07"),
    ]


def test_owner_labels_stay_unique():
    assert owner_labels(["norms.BatchRatio"]) == {"norms.BatchRatio": "Batch"}
    found = owner_labels(["layer.Ratio", "c_library.Ratio", "batch.Ratio"])
    assert set(found.values()) == {"Layer", "C library", "Batch"}
    assert set(owner_labels(["a.BatchRatio", "b.Batch"]).values()) == {"a.BatchRatio", "b.Batch"}
