"""Kernels compiled ahead: which functions there are, who chooses them, and what a wheel says.

That they give the same bits is tested where a wheel is: by `tests/bits.py`, in `.ci/run`.
"""

import importlib
import inspect

import processes
import pytest

from numbanorm.prebuilt import library
from numbanorm.prebuilt.table import MODULES, OPERATIONS, SERIAL

CHARACTERS = set("fdb?BHhq")


def backend():
    """Return what builds wheels."""
    pytest.importorskip("setuptools", minversion="77", reason="needs setuptools")
    from numbanorm.prebuilt import backend

    return backend


@pytest.mark.parametrize("function", [*OPERATIONS, *SERIAL], ids=lambda one: one.name)
def test_table_is_of_what_there_is(function):
    module, _, name = function.name.partition(".")
    found = getattr(importlib.import_module(f"numbanorm.kernels.operations.{module}"), name)
    if function in SERIAL:
        assert len(inspect.signature(found.py_func).parameters) == len(function.letters)
    else:
        assert list(inspect.signature(found.driver.py_func).parameters) == [
            "view",
            "args",
            "workers",
        ]
    assert len(set(map(function.symbol, function.kinds))) == len(function.kinds)
    for kinds in function.kinds:
        assert len(kinds) == len(function.keys)
        spelled = list(function.spelled(kinds))
        assert len(spelled) == len(function.letters) and set(spelled) <= CHARACTERS | set("nkf")


def test_table_is_of_all_there_is():
    """Whatever has a driver, or is called by Python alone."""
    known = {one.name for one in (*OPERATIONS, *SERIAL)}
    for module in MODULES:
        for name, one in vars(
            importlib.import_module(f"numbanorm.kernels.operations.{module}")
        ).items():
            called = hasattr(one, "driver") or type(one).__name__ == "Driver"
            if called and one.py_func.__module__.endswith(module):
                assert f"{module}.{name}" in known


CHOICE = """
import numpy as np
import numbanorm as nbn
from numbanorm.prebuilt import library
try:
    nbn.layer_norm(np.ones((2, 3), np.float32), (3,))
    print(library.deciding()[1])
except (ImportError, ValueError) as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("jit", "compiled by Numba, by NUMBANORM_KERNELS"),
        ("aott", "ValueError NUMBANORM_KERNELS must be"),
    ],
)
def test_choice(asked, wanted):
    assert processes.run(CHOICE, environment={"NUMBANORM_KERNELS": asked}).startswith(wanted)


def test_without_a_library(monkeypatch, tmp_path):
    monkeypatch.setattr(library, "PATH", tmp_path / library.NAME)
    monkeypatch.setattr(library, "_asked", "")
    assert "has no libnumbanorm_kernels.so" in library.deciding.__wrapped__()[1]
    monkeypatch.setattr(library, "_asked", "aot")
    with pytest.raises(ImportError, match="NUMBANORM_KERNELS=aot, but this installation has no"):
        library.deciding.__wrapped__()


@pytest.mark.parametrize("content", [b"", b"no library"])
def test_a_broken_library_is_not_used(tmp_path, monkeypatch, content):
    path = tmp_path / library.NAME
    path.write_bytes(content)
    monkeypatch.setattr(library, "PATH", path)
    monkeypatch.setattr(library, "_asked", "")
    found, why = library.deciding.__wrapped__()
    assert found is None and why.startswith("compiled by Numba: ")


def test_no_numba_is_said():
    code = "import sys; sys.modules['numba'] = None\nimport numbanorm.jit"
    process = processes.start(code)
    _, err = process.communicate(timeout=60)
    assert process.returncode and "pip install 'numbanorm[jit]'" in err


METADATA = """\
Metadata-Version: 2.4
Name: numbanorm
Requires-Dist: numba<0.69,>=0.68
Requires-Dist: numpy>=2.0
Provides-Extra: jit
Requires-Dist: numba<0.69,>=0.68; extra == "jit"
"""


def test_a_wheel_of_one_platform_needs_no_numba(tmp_path):
    described, wheel = tmp_path / "METADATA", tmp_path / "WHEEL"
    described.write_text(METADATA, "utf-8")
    backend()._without_numba(described)
    needed = [
        line for line in described.read_text().splitlines() if line.startswith("Requires-Dist")
    ]
    numba = [line for line in needed if "numba" in line]
    assert len(numba) == 1 and "extra == 'jit'" in numba[0].replace('"', "'")
    assert any("numpy" in line and ";" not in line for line in needed)
    wheel.write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    backend()._tag(wheel)
    assert wheel.read_text().splitlines()[1:] == ["Root-Is-Purelib: false", f"Tag: {backend().TAG}"]


def test_settings_of_a_wheel(monkeypatch):
    monkeypatch.chdir(processes.ROOT)
    made = backend()
    monkeypatch.setattr(made.build_meta, "get_requires_for_build_wheel", lambda *_: [])
    assert made.get_requires_for_build_wheel() == []
    with pytest.raises(ValueError, match="kernels must be 'jit' or 'prebuilt', got 'aot'"):
        made.build_wheel("nowhere", {"kernels": "aot"})
    needed = made.get_requires_for_build_wheel({"kernels": "prebuilt"})
    assert {"numba", "numpy", "cffi"} <= {one.partition(">")[0] for one in needed}
