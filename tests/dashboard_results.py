"""A small repository with asv results of its commits, for the dashboard's tests."""

import itertools
import json
import math
import os
import subprocess

PARAMS = {
    "shape": ["32x64x56x56", "1x64x56x56"],
    "layout": ["NCHW", "NHWC"],
    "threads": [1, 2],
    "mode": ["train", "eval", "backward"],
}
ROWS = PARAMS | {"shape": ["8192x1024", "257x768"], "layout": ["NCHW"], "mode": ["train"]}
MODES = {"mode": ["train", "eval", "backward"]}
DAY = 86_400_000
START = 1_767_268_800_000  # 2026-01-01 12:00 UTC
# name -> unit, parameters, value at a commit of a case (both counted from 0)
BENCHMARKS = {
    "norms.BatchRatio.track_memory": (
        "copy or stream time / time",
        PARAMS,
        lambda i, k: 0.9 - k / 40,
    ),
    "norms.RmsRatio.track_memory": ("copy or stream time / time", ROWS, lambda i, k: 0.5 + i / 20),
    # Faster and slower than the peer, a failure and a figure that is not there.
    "norms.BatchRatio.track_torch": (
        "PyTorch time / time",
        PARAMS,
        lambda i, k: {5: None, 6: math.nan}.get(k, 0.7 * 1.2**k),
    ),
    # The step that asv's page of regressions finds.
    "startup.SmallCall.time_small": (
        "seconds",
        MODES,
        lambda i, k: 1e-6 * (4 if i < 3 else 8) + k * 1e-6,
    ),
    "accuracy.Rms.track_error": ("eps", {}, lambda i, k: 2.5),
}
COLUMNS = ["result", "params", "version", "started_at", "duration"]


def git(folder, *arguments, **environment):
    """Run git and return what it printed."""
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    env = os.environ | environment
    done = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def make_commits(folder, count):
    """Make a repository of empty commits, a day apart; returns their hashes and dates."""
    git(folder, "init", "-q", "-b", "main")
    commits = []
    for i in range(count):
        date = START + i * DAY
        when = f"@{date // 1000} +0000"
        git(
            folder,
            *("commit", "-q", "--allow-empty", "-m", f"Change {i}"),
            GIT_AUTHOR_DATE=when,
            GIT_COMMITTER_DATE=when,
        )
        commits.append((git(folder, "rev-parse", "HEAD"), date))
    return commits


def entry(name):
    """Return a benchmark's part of benchmarks.json."""
    unit, params, _ = BENCHMARKS[name]
    return {
        "code": "",
        "name": name,
        "param_names": list(params),
        "params": [[repr(value) for value in values] for values in params.values()],
        "type": "track" if ".track_" in name else "time",
        "unit": unit,
        "version": "1",
    }


def results(name, i, date):
    """Return a benchmark's line of the result file of commit i."""
    _, params, value = BENCHMARKS[name]
    count = len(list(itertools.product(*params.values())))
    return [[value(i, k) for k in range(count)], entry(name)["params"], "1", date + 3_600_000, 1.0]


def write_results(folder, commits, machine="desk"):
    """Write a results folder as asv does, one file per commit."""
    about = {"machine": machine, "cpu": "A CPU <fast>", "num_cpu": "2", "os": "Linux", "ram": "8"}
    place = folder / machine
    place.mkdir(parents=True)
    (place / "machine.json").write_text(json.dumps(about | {"arch": "x86_64", "version": 1}))
    benchmarks = {name: entry(name) for name in BENCHMARKS}
    (folder / "benchmarks.json").write_text(json.dumps(benchmarks | {"version": 2}))
    for i, (commit, date) in enumerate(commits):
        run = {
            "commit_hash": commit,
            "env_name": "virtualenv-py3.11",
            "date": date,
            "params": about | {"arch": "x86_64", "python": "3.11"},
            "python": "3.11",
            "requirements": {},
            "env_vars": {},
            "result_columns": COLUMNS,
            "results": {name: results(name, i, date) for name in BENCHMARKS},
            "durations": {},
            "version": 2,
        }
        (place / f"{commit[:8]}-virtualenv-py3.11.json").write_text(json.dumps(run))


def write_project(folder, count=5):
    """Write a repository, its results and its asv.conf.json; returns the configuration's path."""
    write_results(folder / "results", make_commits(folder, count))
    config = {
        "version": 1,
        "project": "numbanorm",
        "repo": ".",
        "branches": ["HEAD"],
        "environment_type": "virtualenv",
        "regressions_first_commits": {r".*\.track_": None},
    }
    path = folder / "asv.conf.json"
    path.write_text(json.dumps(config))
    return path
