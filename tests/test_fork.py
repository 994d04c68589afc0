"""Processes made by fork, spawn and forkserver work, whatever their parent did before."""

import os

import pytest
from processes import run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

# Python 3.12 and later warn of a fork beside the program's own threads.
UNWARNED = ("-W", "error", "-W", "ignore::DeprecationWarning")

# What every program begins with: a large array, its result, and a check that must hold anywhere.
BEGIN = """
import os, signal, sys, threading, time
import numpy as np
import numpy.testing  # which NumPy imports late: a lock that a child must not find taken
import numbanorm as nbn

nbn.set_num_threads(3)
x = np.random.default_rng(0).normal(3, 2, (16, 32, 28, 28)).astype(np.float32)

def norms():
    y, mean, rstd = nbn.batch_norm(x, training=True, return_stats=True)
    return y, nbn.layer_norm(x, 28), *nbn.batch_norm_backward(x, x, mean, rstd)

def check(repeats=3):
    for _ in range(repeats):
        for got, wanted in zip(norms(), WANTED, strict=True):
            np.testing.assert_array_equal(got, wanted)

def threads():
    return len(os.listdir("/proc/self/task"))

def child(function, *arguments):
    "Fork; the child's status is 0 if the function returns in 60 s."
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.alarm(60)
        function(*arguments)
        status = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    os._exit(status)

def succeeded(*pids):
    return not any([os.waitpid(pid, 0)[1] for pid in pids])
"""

CHILDREN = (
    BEGIN
    + """
WANTED = norms()

def generations(left):
    check()
    if left:
        assert succeeded(child(generations, left - 1))
        check()

assert succeeded(*[child(generations, 2) for _ in range(3)])
check()
"""
)


def test_children_and_grandchildren():
    """Threads that a parent had are not in its child, where waiting for one would never end.

    From Python 3.12 on a fork of a process that has threads is warned of: here, an error.
    """
    run(CHILDREN)


WHILE_WORKING = (
    BEGIN
    + """
WANTED, ended = norms(), False

def work():
    while not ended:
        check(1)

workers = [threading.Thread(target=work) for _ in range(3)]
[worker.start() for worker in workers]
for _ in range(30):
    assert succeeded(child(check, 1))
ended = True
[worker.join() for worker in workers]
check()
"""
)


def test_fork_while_other_threads_work():
    """A child of a process whose threads are in a kernel, or wait for work, finds neither."""
    run(WHILE_WORKING, options=UNWARNED)


WHILE_COMPILING = (
    BEGIN
    + """
import numba
compiling = threading.Thread(target=nbn.group_norm, args=(x, 4))
compiling.start()
time.sleep(float(sys.argv[1]))

def compile_too():
    assert numba.njit(lambda a: a + 1)(1) == 2
    assert np.isfinite(nbn.layer_norm(x, 28)).all()

assert succeeded(child(compile_too))
compiling.join()
"""
)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.8, 1.5])
def test_fork_while_another_thread_imports_or_compiles(tmp_path, seconds):
    """The compiler's lock and the lock of a module being imported stay taken in a child."""
    run(
        WHILE_COMPILING,
        seconds,
        environment={"NUMBA_CACHE_DIR": str(tmp_path)},
        options=UNWARNED,
    )


PRELOAD = (
    BEGIN
    + """
from concurrent.futures import ThreadPoolExecutor

# The application, loaded and used before the workers are forked.
layer = nbn.BatchNorm2d(32).eval()
WANTED = norms()
answer = layer(x)

def serve():
    with ThreadPoolExecutor(4) as pool:
        for y in pool.map(lambda _: layer(x), range(16)):
            np.testing.assert_array_equal(y, answer)

workers = {child(serve) for _ in range(4)}
for _ in range(4):
    # One is killed at its work and another one takes its place.
    killed = workers.pop()
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    workers.add(child(serve))
    layer(x)
assert succeeded(*workers)
check()
"""
)


def test_preloaded_server():
    """As gunicorn's --preload: workers of a parent that has worked, some killed and replaced."""
    run(PRELOAD)


POOLS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import numpy as np
import numbanorm as nbn

def total(seed):
    x = np.random.default_rng(seed).normal(3, 2, (8, 32, 28, 28)).astype(np.float32)
    return nbn.batch_norm(x, training=True).tobytes()

if __name__ == "__main__":
    wanted = [total(seed) for seed in range(4)]
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(2) as pool:
        assert pool.map(total, range(4)) == wanted
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(total, range(4))) == wanted
"""

JOBLIB = """
import joblib
import numpy as np
import numbanorm as nbn

def total(x):
    return float(nbn.layer_norm(x, 28, np.full(28, 3, np.float32)).sum())

x = np.random.default_rng(0).normal(3, 2, (16, 32, 28, 28)).astype(np.float32)
wanted = total(x)
for backend in ("threading", "loky", "multiprocessing"):
    # Arrays of over 1 MB come to processes as read-only memory maps.
    found = joblib.Parallel(2, backend=backend)(joblib.delayed(total)(x) for _ in range(6))
    assert found == [wanted] * 6, (backend, found, wanted)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_pools_of_processes(tmp_path, method):
    program = tmp_path / "pools.py"
    program.write_text(POOLS)
    run(program, method, options=UNWARNED)


def test_joblib():
    pytest.importorskip("joblib", reason="joblib is not installed")
    run(JOBLIB, options=UNWARNED)
