"""The C functions from many threads at once, with the GIL and without, and after a fork."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

import numbanorm as nbn
from numbanorm import cabi

SCRIPT = """
import ctypes, glob, multiprocessing, os, sys, threading
import numpy as np

# Numba does not look for a tbb that pip installed; once it is loaded, it is found.
for path in glob.glob(os.path.join(sys.prefix, "lib", "libtbb.so.12")):
    ctypes.CDLL(path)
import numbanorm as nbn
from numbanorm import cabi

x = np.random.default_rng(0).normal(3, 2, (8, 64, 4096)).astype(np.float32)
with_gil = ctypes.PYFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p,
)(cabi.address("nbn_layer_norm_f32"))
wanted, failed = nbn.layer_norm(x, 4096), []

def call(function):
    for _ in range(5):
        y, rows, status = np.empty_like(x), x.size // 4096, 0
        if function is None:
            nbn.layer_norm(x, 4096, out=y)
        else:
            rest = rows, 4096, None, None, 1e-5, None, None
            status = function(y.ctypes.data, x.ctypes.data, *rest)
        if status or not np.array_equal(y, wanted):
            failed.append(status)

without_gil = ctypes.CFUNCTYPE(with_gil.restype, *with_gil.argtypes)(
    cabi.address("nbn_layer_norm_f32"))

def all_at_once(functions):
    threads = [threading.Thread(target=call, args=[f]) for f in functions]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

all_at_once([without_gil] * 8)
all_at_once([with_gil] * 4)
all_at_once([without_gil, with_gil, None] * 3)
if hasattr(os, "fork"):
    child = multiprocessing.get_context("fork").Process(target=call, args=[without_gil])
    child.start()
    child.join(120)
    failed += [child.exitcode] if child.exitcode else []
print(nbn.get_num_threads(), len(failed), failed[:3])
sys.exit(bool(failed))
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp", "tbb"])
def test_many_threads(c_table, layer):
    environment = os.environ | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "3"}
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"Numba finds no library for the threading layer {layer}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_threads_are_those_of_python(c_table):
    """`set_num_threads` holds for C callers too."""
    from numbanorm.threads import shared

    before = nbn.get_num_threads()
    try:
        for count in (1, 3):
            nbn.set_num_threads(count)
            assert shared.words(shared.THREADS)[0] == count
    finally:
        nbn.set_num_threads(before)


def test_address_is_a_function(c_table):
    x = np.array([[1.0, 3.0]], np.float32)
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 2)
    kind = ctypes.CFUNCTYPE(
        ctypes.c_int32, *kind._argtypes_, *[ctypes.c_void_p] * 2, ctypes.c_double,
        *[ctypes.c_void_p] * 2,
    )  # fmt: skip
    call = kind(cabi.address("nbn_layer_norm_f32"))
    assert call(x.ctypes.data, x.ctypes.data, 1, 2, None, None, 0.0, None, None) == 0
    assert x.tolist() == [[-1, 1]]
