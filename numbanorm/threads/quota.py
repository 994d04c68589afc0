"""How many processors a container may use: Linux counts all of the machine's for it."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

ROOT = Path("/")


def _ratio(folder: Path) -> float:
    """Return the processors a control group may use, infinite without a limit."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            # Version 1 of control groups.
            names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = ((folder / name).read_text() for name in names)
        except (OSError, ValueError):
            return math.inf
    try:
        count = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return math.inf
    return count if count > 0 else math.inf


def _group() -> str:
    """Return the path of this process's control group below the mounted ones."""
    try:
        lines = (ROOT / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):
        return ""
    for line in lines:
        controllers, _, path = line.partition(":")[2].partition(":")
        if not controllers or "cpu" in controllers.split(","):
            return path.strip("/")
    return ""


@lru_cache(maxsize=1)
def processors() -> int | None:
    """Return the processors that this process's control groups let it use, or None for any number.

    A group's limit holds for all below it. A part of a processor counts as a whole one.
    """
    least = math.inf
    for mounted in (ROOT / "sys/fs/cgroup", ROOT / "sys/fs/cgroup/cpu"):
        folder = mounted / _group()
        while True:
            least = min(least, _ratio(folder))
            if folder == mounted or mounted not in folder.parents:
                break
            folder = folder.parent
    return None if math.isinf(least) else math.ceil(least)
