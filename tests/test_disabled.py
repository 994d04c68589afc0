"""Settings of Numba's that are for users' functions, as debuggers and coverage tools set them."""

import pytest
from processes import run

NORMS = """
import numba
import numpy as np
import numbanorm as nbn

def check():
    # Large enough for threads.
    x = np.random.default_rng(0).standard_normal((64, 4096)).astype(np.float32)
    wide = x.astype(float)
    mean, var = wide.mean(1, keepdims=True), wide.var(1, keepdims=True)
    y = nbn.layer_norm(x, 4096)
    assert np.abs(y - (wide - mean) / np.sqrt(var + 1e-5)).max() < 1e-5

def check_layer():
    x = np.random.default_rng(0).standard_normal((8, 16, 64, 64)).astype(np.float32)
    layer = nbn.BatchNorm2d(16)
    assert abs(layer(x).std() - 1) < 1e-3
    assert np.abs(layer.backward(np.ones_like(x))).max() < 1e-5
    np.testing.assert_allclose(layer.state_dict()["running_mean"], x.mean((0, 2, 3)) / 10, 0, 1e-6)
"""

USERS = """
from numbanorm import jit

@numba.njit(parallel=True)
def rows(x):
    y, status = np.empty_like(x), np.empty(len(x), np.int64)
    for i in numba.prange(len(x)):
        mean, var = np.empty(1), np.empty(1)
        view = jit.row_view(1, x.shape[1])
        status[i] = jit.normalize(y[i], x[i], None, None, mean, var, 1e-5, view)
    return status, y

def check_users(compiled):
    assert hasattr(rows, "py_func") == compiled
    x = np.random.default_rng(0).standard_normal((64, 100)).astype(np.float32)
    status, y = rows(x)
    assert not status.any()
    np.testing.assert_array_equal(y, nbn.layer_norm(x, 100))
"""

# Where a process gets the setting from.
WAYS = {
    "before it starts": ("check_layer(); check_users(False)", {"NUMBA_DISABLE_JIT": "1"}),
    "by Numba's name for it": ("numba.config.DISABLE_JIT = 1; check()", {}),
    "by its own environment": ("import os; os.environ['NUMBA_DISABLE_JIT'] = '1'; check()", {}),
}


@pytest.mark.parametrize("calls, environment", WAYS.values(), ids=WAYS)
def test_kernels_are_compiled_always(tmp_path, calls, environment):
    """From nothing, for Numba asks for the setting when it compiles, too; and they are the same."""
    users = USERS if "users" in calls else ""
    code = f"{NORMS}{users}{calls}\nassert numba.config.DISABLE_JIT == 1"
    environment = environment | {"NUMBA_CACHE_DIR": str(tmp_path)}
    run(code, options=("-W", "ignore"), environment=environment, timeout=300)
    found = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert found
    if users:
        code, environment["NUMBA_DISABLE_JIT"] = NORMS + "check_layer()", "0"
        run(code, environment=environment, timeout=300)
        assert found == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}


def test_c_functions_and_commands():
    code = """
import numpy as np
from numbanorm import cabi, cli
x = np.array([[1.0, 3.0], [20.0, 40.0]], np.float32)
p = cabi.ffi().from_buffer("float[]", x)
null = cabi.ffi().NULL
assert cabi.table().layer_norm_f32(p, p, 2, 2, null, null, 0.0, null, null) == 0
assert x.tolist() == [[-1, 1], [-1, 1]]
assert cli.main(["demo"]) == cli.main(["info"]) == cli.main(["warmup", "--norms", "rms"]) == 0
"""
    out = run(code, environment={"NUMBA_DISABLE_JIT": "1"}, timeout=600)
    assert "NUMBA_DISABLE_JIT=1" in out


@pytest.mark.parametrize("setting", ["BOUNDSCHECK=1", "DEBUGINFO=1", "OPT=0"])
def test_other_settings(tmp_path, setting):
    name, _, value = setting.partition("=")
    environment = {f"NUMBA_{name}": value, "NUMBA_CACHE_DIR": str(tmp_path)}
    run(NORMS + "check()", environment=environment, timeout=300)
