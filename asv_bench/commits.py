"""Compare the speed of two commits on this machine, and fail if the second is slower.

python asv_bench/commits.py BASE HEAD [--factor 1.15] [--select REGEX]

Both commits work at once, each in a process of its own that waits for its turn, so that whatever
the machine does meets both: a ratio of times taken a second apart holds where two runs of
`asv continuous`, minutes apart, differ by more than any regression worth finding. A case that looks
slower is measured again, longer; it counts if it looks so each time.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

FOLDER = Path(__file__).resolve().parent

# (norm, shape, layout, threads, mode)
CASES = [
    (norm, shape, layout, threads, mode)
    for norm, shapes, layouts, modes in (
        ("batch", ("32x256x56x56", "1x64x56x56"), ("NCHW", "NHWC"), ("train", "eval", "backward")),
        ("batch", ("20x100x35x45", "1x544x8x8"), ("NCHW", "NHWC"), ("train", "eval", "backward")),
        ("batch", ("2x3x8x8",), ("NCHW",), ("train", "eval", "backward")),
        ("layer", ("8x64",), ("NCHW",), ("train", "backward")),
        ("instance", ("32x64x56x56",), ("NCHW", "NHWC"), ("train", "backward")),
        ("group", ("32x64x56x56",), ("NCHW", "NHWC"), ("train", "backward")),
        ("layer", ("8192x1024", "257x768"), ("NCHW",), ("train", "backward")),
        ("rms", ("8192x1024", "257x768"), ("NCHW",), ("train", "backward")),
    )
    for shape in shapes
    for layout in layouts
    for mode in modes
    for threads in (1, 2)
]

ROUNDS, TRIES = 15, 3


class Worker:
    """A process that times the calls of one commit when asked to."""

    def __init__(self, tree, environment=None):
        command = [sys.executable, str(FOLDER / "worker.py"), str(tree)]
        kernels = {"NUMBA_CACHE_DIR": str(tree / "kernels")}
        self.process = subprocess.Popen(
            command,
            env=os.environ | kernels | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, *question):
        """Send a question and return the answer."""
        print(json.dumps(question), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"the worker ended with status {self.process.wait()}")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def checkout(commit, folder):
    """Put a commit's files into a folder, which is returned."""
    archive = subprocess.run(
        ["git", "archive", commit, "numbanorm"], cwd=FOLDER.parent, check=True, capture_output=True
    )
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def slowdown(base, head, rounds):
    """Return the median of head's time divided by base's, taken in turn."""
    ratios = []
    for i in range(rounds):
        # Who goes first would be the one to wake the threads.
        order = (base, head) if i % 2 else (head, base)
        times = {id(worker): worker.ask("time") for worker in order}
        ratios.append(times[id(head)] / times[id(base)])
    return median(ratios)


def slower(pair, trees, case, factor):
    """Return how much slower head is, at least, of up to three looks.

    Where a process's memory lies moves a speed by a tenth for as long as it lives: another look is
    one at new processes.
    """
    found = look(pair, case, ROUNDS)
    for _ in range(TRIES - 1):
        if found <= factor:
            break
        fresh = [Worker(tree) for tree in trees]
        found = min(found, look(fresh, case, 2 * ROUNDS))
        for worker in fresh:
            worker.close()
    return found


def look(pair, case, rounds):
    """Return head's time divided by base's for a case."""
    for worker in pair:
        worker.ask("case", *case)
    return slowdown(*pair, rounds)


def main():
    """Print a line per case; the exit status is 1 if one is slower by the factor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("head")
    parser.add_argument("--factor", type=float, default=1.15)
    parser.add_argument("--select", type=re.compile, default=re.compile(""))
    given = parser.parse_args()
    chosen = [case for case in CASES if given.select.search(" ".join(map(str, case)))]
    regressions = 0
    with tempfile.TemporaryDirectory() as folder:
        trees = [checkout(getattr(given, one), Path(folder) / one) for one in ("base", "head")]
        pair = [Worker(tree) for tree in trees]
        for case in chosen:
            found = slower(pair, trees, case, given.factor)
            bad = found > given.factor
            regressions += bad
            mark = "  SLOWER" if bad else ""
            print(f"{' '.join(map(str, case)):45} {found:6.3f}{mark}", flush=True)
        for worker in pair:
            worker.close()
    print(f"{regressions} of {len(chosen)} slower than {given.factor} times {given.base}'s time")
    return int(regressions > 0)


if __name__ == "__main__":
    sys.exit(main())
