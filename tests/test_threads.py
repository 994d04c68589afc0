"""Threads: any number of callers, of every kind, beside any threading layer of Numba's; at rest."""

import ctypes
import os
import signal
import sys
import time

import numba
import numpy as np
import pytest
from processes import run

import numbanorm as nbn
from numbanorm import jit

LAYERS = ["workqueue", "omp", "tbb"]

BEGIN = """
import ctypes, glob, os, sys, threading
# Numba does not look for a tbb that pip installed; once it is loaded, it is found.
for path in glob.glob(os.path.join(sys.prefix, "lib", "libtbb.so.12")):
    ctypes.CDLL(path)
import numpy as np
import numba
import numbanorm as nbn
from numbanorm import jit

x = np.random.default_rng(0).normal(3, 2, (16, 32, 28, 28)).astype(np.float32)
rows = x.reshape(-1, 784)

def norms():
    y, mean, rstd = nbn.batch_norm(x, training=True, return_stats=True)
    return y, nbn.layer_norm(x, 28), *nbn.batch_norm_backward(x, x, mean, rstd)

WANTED, failed = norms(), []

def check(repeats=5):
    for _ in range(repeats):
        for got, wanted in zip(norms(), WANTED, strict=True):
            if not np.array_equal(got, wanted):
                failed.append(threading.current_thread().name)

def at_once(function, count=8):
    threads = [threading.Thread(target=function) for _ in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""

CALLERS = (
    BEGIN
    + """
from concurrent.futures import ThreadPoolExecutor

# Numba's threads, so that both kinds are there.
@numba.njit(parallel=True)
def total(a):
    found = 0.0
    for i in numba.prange(len(a)):
        found += a[i].sum()
    return found

assert abs(total(rows) - rows.sum()) < 1e-2 * rows.size ** 0.5
layer = numba.threading_layer()
at_once(check)
with ThreadPoolExecutor(8) as pool:
    list(pool.map(check, [2] * 16))
nbn.set_num_threads(7)
at_once(check)
assert not failed, failed
print(layer)
"""
)


@pytest.mark.parametrize("layer", LAYERS)
def test_eight_python_threads(layer):
    """Numba's own workqueue ends the process when two threads work in parallel at once."""
    out = run_beside(layer, CALLERS)
    assert out.split() == [layer]


def run_beside(layer, program):
    """Run a program beside a threading layer of Numba's, if there is one."""
    environment = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "3"}
    try:
        return run(program, options=("-W", "ignore"), environment=environment)
    except AssertionError as error:
        if "No threading layer could be loaded" in str(error):
            pytest.skip(f"Numba finds no library for the threading layer {layer}")
        raise


PRANGE = (
    BEGIN
    + """
@numba.njit(parallel=True, cache=True)
def each(x, threads):
    y, status = np.empty_like(x), np.zeros(len(x), np.int64)
    for i in numba.prange(len(x)):
        mean, var = np.empty(x.shape[1]), np.empty(x.shape[1])
        view = jit.instance_view(True, 1, x.shape[1], x.shape[2] * x.shape[3])
        status[i] = jit.normalize(y[i], x[i], None, None, mean, var, 1e-5, view, threads)
    return status, y

# Large enough for threads of its own in each of the prange's.
big = np.random.default_rng(1).normal(3, 2, (6, 8, 150, 150)).astype(np.float32)
wanted = nbn.instance_norm(big)
for threads in (1, 3):
    for _ in range(5):
        status, y = each(big, threads)
        assert not status.any()
        np.testing.assert_array_equal(y, wanted)
"""
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A file, whose code Numba caches for all threading layers."""
    path = tmp_path_factory.mktemp("prange") / "program.py"
    path.write_text(PRANGE)
    return path


@pytest.mark.parametrize("layer", LAYERS)
def test_inside_a_prange(program, layer):
    run_beside(layer, program)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX threads")
def test_threads_that_c_started():
    """They have never held the GIL, which whoever waits for them here holds."""

    @numba.cfunc(numba.types.void(numba.types.CPointer(numba.types.float32)))
    def normalize_in_place(p):
        x = numba.carray(p, (512, 784))
        mean, var = np.empty(512), np.empty(512)
        for _ in range(5):
            jit.normalize(x, x, None, None, mean, var, 1e-5, jit.row_view(512, 784), 3)

    x = np.random.default_rng(0).normal(3, 2, (4, 512, 784)).astype(np.float32)
    y, wanted = x.copy(), x
    for _ in range(5):
        wanted = nbn.layer_norm(wanted, 784)
    create, join = (getattr(ctypes.PyDLL(None), f"pthread_{name}") for name in ("create", "join"))
    threads = [ctypes.c_void_p() for _ in y]
    for thread, part in zip(threads, y):
        given = ctypes.c_void_p(normalize_in_place.address), ctypes.c_void_p(part.ctypes.data)
        assert create(ctypes.byref(thread), None, *given) == 0
    assert [join(thread, None) for thread in threads] == [0] * 4
    np.testing.assert_array_equal(y, wanted)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX threads")
def test_python_in_threads_that_c_started():
    x = np.random.default_rng(0).normal(3, 2, (512, 784)).astype(np.float32)
    wanted, found = nbn.layer_norm(x, 784), []

    @ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
    def call(_):
        found.append(nbn.layer_norm(x, 784))

    process = ctypes.CDLL(None)
    threads = [ctypes.c_void_p() for _ in range(4)]
    for thread in threads:
        assert process.pthread_create(ctypes.byref(thread), None, call, None) == 0
    for thread in threads:
        process.pthread_join(thread, None)
    assert len(found) == 4
    for y in found:
        np.testing.assert_array_equal(y, wanted)


REST = (
    BEGIN
    + """
import time

def seconds():
    "The processor time of every thread but this one, in ticks."
    own, ticks = str(threading.get_native_id()), {}
    for name in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{name}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        if name != own:
            ticks[name] = int(fields[11]) + int(fields[12]), fields[0]
    return ticks

nbn.set_num_threads(4)
check()
time.sleep(0.1)
before = seconds()
time.sleep(1.0)
after = seconds()
assert len(after) >= 3, after
assert before == after, (before, after)
assert {state for _, state in after.values()} == {"S"}
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_idle_threads_sleep():
    """Threads that spin for work take a core from everything else."""
    # A BLAS has threads of its own, which are not meant here.
    run(REST, environment={"OPENBLAS_NUM_THREADS": "1"})


LAST = (
    """
import atexit, os

def later():
    # Registered before our own, so called after it: the caller does all work alone.
    check(1)
    threads = len(os.listdir("/proc/self/task"))
    try:
        pid = os.fork()
    except RuntimeError:
        pid = None  # Python 3.12 and later forbid it here.
    check(1)
    if pid == 0:
        os._exit(bool(failed))
    print(failed, threads, os.waitpid(pid, 0)[1] if pid else 0)

atexit.register(later)
"""
    + BEGIN
    + """
nbn.set_num_threads(4)
check(1)
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_threads_end_before_the_interpreter():
    """Their code and their memory go with it, while they may still be looking for work."""
    for _ in range(3):
        assert run(LAST, environment={"OPENBLAS_NUM_THREADS": "1"}) == "[] 1 0\n"


REFUSED = (
    BEGIN
    + """
import resource
from pathlib import Path
from numbanorm.threads import shared

nbn.set_num_threads(2)
y = np.empty_like(x)
nbn.batch_norm(x, training=True, out=y)
pages = int(Path("/proc/self/statm").read_text().split()[0])
# A thread's stack takes 8 MB. All code has been compiled: LLVM can't do without memory.
limit = pages * resource.getpagesize() + (1 << 22)
nbn.set_num_threads(8)
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
for _ in range(3):
    nbn.batch_norm(x, training=True, out=y)
made = shared.words(shared.POOL)[shared.MADE]
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
assert made < 7, made
np.testing.assert_array_equal(y, WANTED[0])
check()
assert not failed
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_a_system_that_gives_no_more_threads():
    run(REFUSED)


MADE = (
    BEGIN
    + """
from numbanorm.threads import shared

nbn.set_num_threads(3)
nbn.batch_norm(x, training=True)
assert shared.words(shared.LAUNCHER)[0]
assert shared.words(shared.POOL)[shared.MADE] == 2
"""
)


def test_there_are_threads():
    """Results would be the same without, only later."""
    run(MADE)


AFFINE = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import numbanorm as nbn
assert nbn.get_num_threads() == 1
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no threads")
def test_processors_that_the_process_may_run_on():
    run(AFFINE, environment={"NUMBA_NUM_THREADS": None, "OMP_NUM_THREADS": None})


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such timer")
def test_a_signal_interrupts_a_caller_soon():
    """Python's handlers run between kernels, never inside one: what is done is whole."""
    x = np.random.default_rng(0).normal(3, 2, (16, 32, 28, 28)).astype(np.float32)
    layer = nbn.BatchNorm2d(32)
    y = layer(x)
    # SIGINT itself is ignored where the tests run in the background.
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                y = layer(x)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert y.shape == x.shape
    other = nbn.BatchNorm2d(32)
    for _ in range(int(layer.num_batches_tracked)):
        other(x)
    for name, value in other.state_dict().items():
        np.testing.assert_array_equal(layer.state_dict()[name], value)
