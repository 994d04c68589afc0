"""Kernels compiled ahead: which functions there are, who chooses them, and what a wheel says.

That they give the same bits is tested where a wheel is: by `tests/bits.py`, in `.ci/run`.
"""

import importlib
import inspect

import numpy as np
import processes
import pytest

import numbanorm as nbn
from numbanorm.prebuilt import backend, library
from numbanorm.prebuilt.table import MODULES, OPERATIONS, SERIAL

CHARACTERS = set("fdb?BHhq")


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
import sys
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


@pytest.mark.skipif(library.PATH.exists(), reason="there is a library here")
def test_without_a_library():
    assert "has no libnumbanorm_kernels.so" in library.deciding()[1]
    found = processes.run(CHOICE, environment={"NUMBANORM_KERNELS": "aot"})
    assert found.startswith("ImportError NUMBANORM_KERNELS=aot, but this installation has no")


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
    backend._without_numba(described)
    needed = [
        line for line in described.read_text().splitlines() if line.startswith("Requires-Dist")
    ]
    numba = [line for line in needed if "numba" in line]
    assert len(numba) == 1 and "extra == 'jit'" in numba[0].replace('"', "'")
    assert any("numpy" in line and ";" not in line for line in needed)
    wheel.write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    backend._tag(wheel)
    assert wheel.read_text().splitlines()[1:] == ["Root-Is-Purelib: false", f"Tag: {backend.TAG}"]


def test_settings_of_a_wheel():
    assert not any("numba" in one for one in backend.get_requires_for_build_wheel())
    with pytest.raises(ValueError, match="kernels must be 'jit' or 'prebuilt', got 'aot'"):
        backend.build_wheel("nowhere", {"kernels": "aot"})
    assert any(
        "numba" in one for one in backend.get_requires_for_build_wheel({"kernels": "prebuilt"})
    )


@pytest.mark.skipif(library.loaded() is None, reason="kernels are compiled by Numba here")
def test_nothing_imports_numba():
    code = """
import sys
import numpy as np
import numbanorm as nbn
layer = nbn.BatchNorm2d(3)
layer.backward(layer(np.ones((64, 3, 64, 64), np.float32)))
nbn.normalize_images(np.ones((2, 4, 4, 3), np.uint8))
nbn.get_num_threads()
nbn.warmup()
print([name for name in sys.modules if name.partition(".")[0] in ("numba", "llvmlite")])
"""
    assert processes.run(code) == "[]\n"


@pytest.mark.skipif(library.loaded() is None, reason="kernels are compiled by Numba here")
def test_arrays_that_no_kernel_is_for_are_refused_before_anything_is_written():
    from numbanorm.calls import lookup

    view, wrong = (1, 1, 1, 1, 4), np.zeros(4, np.complex64)
    with pytest.raises(TypeError, match="not compiled for"):
        lookup.kernels().copying.copy.driver(view, (wrong, wrong, wrong, 0), 1)
    assert nbn.rms_norm(np.ones((2, 4), np.float32), (4,)).shape == (2, 4)
