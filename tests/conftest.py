"""Cases of a norm's suite come from its row of the table; the C library is built once."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace
from unittest import mock

import browser
import c_api
import filelock
import pytest
import streams
from hypothesis import HealthCheck, settings

from numbanorm._info import SETTINGS
from numbanorm.cabi import building

# A machine that is busy with something else is no failure. What decides on a change draws the
# same numbers each time; elsewhere they are new ones.
settings.register_profile(
    "any speed",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any speed")


def pytest_generate_tests(metafunc):
    norm = getattr(metafunc.cls, "norm", None)
    if norm is None:
        return
    small, large = norm.cases(norm.shapes), norm.cases(norm.large)
    for name, found in (("case", small), ("large", large), ("any_size", small[::3] + large)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, found, ids=str)


@pytest.fixture(scope="session", autouse=True)
def streaming():
    """Let arrays be streamed that are large for tests."""
    with streams.streamed_from(streams.SOME):
        yield


@pytest.fixture(autouse=True)
def environment():
    """See to it that no test leaves a number of threads or the like to those that follow."""

    def settings():
        return {name: value for name, value in os.environ.items() if name.startswith(SETTINGS)}

    before = settings()
    yield
    assert settings() == before


@pytest.fixture
def kernels(monkeypatch):
    """Kernels work on tensors of any size; how often, the mocks know."""
    from numbanorm.torch import autograd, norms

    monkeypatch.setattr(autograd, "least_elements", lambda *_: 0)
    with (
        mock.patch.object(norms, "forward", wraps=norms.forward) as forward,
        mock.patch.object(norms, "backward", wraps=norms.backward) as backward,
    ):
        yield SimpleNamespace(forward=forward, backward=backward)


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    """Where `numbanorm capi` put the library."""
    try:
        building.compiler()
    except building.BuildError as error:
        pytest.skip(str(error))
    # Where several processes share the tests, the folder is theirs: the first one builds.
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    folder = shared / "prefix"
    with filelock.FileLock(shared / "prefix.lock"):
        if not (folder / "built").exists():
            command = [sys.executable, "-m", "numbanorm", "capi", "--prefix", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            (folder / "built").touch()
    return folder


@pytest.fixture(scope="session")
def chromium():
    """Start Chromium with no way to any host but this one."""
    with browser.offline() as found:
        yield found


@pytest.fixture(scope="session")
def c_library(prefix):
    return c_api.shared(prefix / "lib" / building.SONAME)


@pytest.fixture(scope="session")
def c_table():
    """The functions inside this process."""
    return c_api.in_process()


def library_for(prefix, folder, instruction_set):
    """Load a copy of the library that uses this instruction set, if it can."""
    copy = shutil.copy(prefix / "lib" / building.SONAME, folder / f"{instruction_set}.so")
    with mock.patch.dict(os.environ, NBN_INSTRUCTION_SET=instruction_set):
        library = c_api.shared(copy)
    used = c_api.text(library.functions.nbn_instruction_set())
    if used != instruction_set:
        pytest.skip(f"this processor has no {instruction_set}, or the library: {used}")
    return library


@pytest.fixture(scope="session", params=["table", *building.targets()])
def c_way(request, tmp_path_factory):
    """The C functions, inside this process and in the library, by each instruction set."""
    if request.param == "table":
        return request.getfixturevalue("c_table")
    folder = tmp_path_factory.mktemp("copy")
    return library_for(request.getfixturevalue("prefix"), folder, request.param)
