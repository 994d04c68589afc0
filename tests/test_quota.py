"""A limit of processors, as Linux tells it in files: control groups of both versions."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from processes import run

from numbanorm.threads import counts, quota
from numbanorm.threads.quota import processors

V2, V1 = "sys/fs/cgroup", "sys/fs/cgroup/cpu"


def version_1(quota, period="100000"):
    return {"cpu.cfs_quota_us": quota, "cpu.cfs_period_us": period}


# {folder: {file: content}}, this process's group, and the processors allowed.
CASES = {
    "no control groups": ({}, None, None),
    "no limit": ({V2: {"cpu.max": "max 100000"}}, "0::/", None),
    "one and a half count as two": ({V2: {"cpu.max": "150000 100000"}}, "0::/", 2),
    "a tenth counts as one": ({V2: {"cpu.max": "10000 100000"}}, "0::/", 1),
    "the group's own": ({V2 + "/a/b": {"cpu.max": "300000 100000"}}, "0::/a/b", 3),
    "a group above": (
        {V2 + "/a": {"cpu.max": "2 1"}, V2 + "/a/b": {"cpu.max": "3 1"}},
        "0::/a/b",
        2,
    ),
    "a group beside": ({V2 + "/c": {"cpu.max": "2 1"}}, "0::/a", None),
    "version 1": ({V1: version_1("400000")}, "4:cpu,cpuacct:/", 4),
    "version 1, a group": ({V1 + "/d": version_1("50000")}, "5:memory:/x\n4:cpu:/d", 1),
    "version 1, no limit": ({V1: version_1("-1")}, "4:cpu:/", None),
    "a path of the host's": ({V2: {"cpu.max": "200000 100000"}}, "0::/../../docker/1", 2),
    "nonsense": ({V2: {"cpu.max": "a b"}}, "0::/", None),
    "half a line": ({V2: {"cpu.max": "100000"}}, "0::/", None),
    "a period of 0": ({V2: {"cpu.max": "1 0"}}, "0::/", None),
    "a group's line cut short": ({V2: {"cpu.max": "2 1"}}, "0:", 2),
}


@pytest.fixture
def limited(tmp_path, monkeypatch):
    """Give this process the files of a case."""

    def give(files, group):
        for folder, contents in files.items():
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            for name, content in contents.items():
                (tmp_path / folder / name).write_text(content + "\n")
        if group is not None:
            (tmp_path / "proc/self").mkdir(parents=True)
            (tmp_path / "proc/self/cgroup").write_text(group + "\n")
        processors.cache_clear()
        monkeypatch.setattr(quota, "ROOT", tmp_path)

    yield give
    processors.cache_clear()


@pytest.mark.parametrize("files, group, allowed", CASES.values(), ids=CASES)
def test_processors(limited, files, group, allowed):
    limited(files, group)
    assert processors() == allowed


def test_threads_obey(limited, monkeypatch):
    """The quota bounds the number of processors, but not what the user asked for."""
    config = SimpleNamespace(NUMBA_NUM_THREADS=64, NUMBA_DEFAULT_NUM_THREADS=64)
    monkeypatch.setitem(sys.modules, "numba.core.config", config)
    monkeypatch.setattr(counts, "_chosen", None)
    monkeypatch.setattr(counts, "_of_openmp", lambda: 0)
    monkeypatch.setattr("numba.np.ufunc.parallel._is_initialized", False)
    monkeypatch.setitem(counts._environment, "NUMBA_NUM_THREADS", "")
    limited({V2: {"cpu.max": "300000 100000"}}, "0::/")
    assert counts.deciding() == (3, "the container's CPU quota")
    monkeypatch.setitem(counts._environment, "NUMBA_NUM_THREADS", "64")
    assert counts.deciding() == (64, "NUMBA_NUM_THREADS")


LIMITED = """
import sys, os
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
import numbanorm as nbn
print(nbn.get_num_threads())
"""


@pytest.fixture
def group():
    """A control group of this machine's, for processes that may use one processor."""
    folder = Path("/sys/fs/cgroup/cpu" if os.path.isdir("/sys/fs/cgroup/cpu") else "/sys/fs/cgroup")
    folder /= f"numbanorm-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this machine lets us make no control group")
    try:
        try:
            if folder.parent.name == "cpu":
                (folder / "cpu.cfs_quota_us").write_text("100000")
            else:
                (folder / "cpu.max").write_text("100000 100000")
        except OSError:
            pytest.skip("this machine's control groups have no quota")
        yield folder
    finally:
        folder.rmdir()


def test_a_real_quota(group):
    environment = {"NUMBA_NUM_THREADS": None, "OMP_NUM_THREADS": None}
    assert run(LIMITED, group, environment=environment).strip() == "1"
