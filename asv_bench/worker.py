"""A process of `commits.py` that times one commit's calls: questions on stdin, answers on stdout.

["case", norm, shape, layout, threads, mode] makes a call ready, and a dtype may follow; ["time"]
returns its time.
"""

import json
import sys
import time
from pathlib import Path

tree = Path(sys.argv[1])
sys.path[:0] = [str(tree), str(Path(__file__).resolve().parent)]

from benchmarks.common import inputs  # noqa: E402

import numbanorm as nbn  # noqa: E402

# Long enough for a timer, short enough that both commits meet the same machine.
SECONDS = 0.01


def prepared(norm, shape, layout, threads, mode, dtype="float32"):
    """Return a call, and how often to make it at a time."""
    if dtype == "bfloat16":
        # NumPy knows its name from here.
        import ml_dtypes  # noqa: F401
    nbn.set_num_threads(threads)
    call = inputs(norm, shape, layout, dtype).ours(mode)
    call()
    start = time.perf_counter()
    call()
    return call, max(1, int(SECONDS / (time.perf_counter() - start)))


def timed(call, repeats):
    """Return the seconds of a call, after one that wakes the threads."""
    # The other process's threads may still be looking for work.
    time.sleep(0.003)
    call()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def serve():
    """Answer until stdin ends."""
    assert nbn.__file__.startswith(str(tree)), nbn.__file__
    ready = None
    for line in sys.stdin:
        kind, *rest = json.loads(line)
        if kind == "case":
            ready = prepared(*rest)
        print(json.dumps(timed(*ready) if kind == "time" else True), flush=True)


if __name__ == "__main__":
    serve()
