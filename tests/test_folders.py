"""The user's folder for caches is the one that platformdirs names."""

import os
import sys
from pathlib import Path
from unittest import mock

import processes
import pytest
from numba import config

from numbanorm import _store

platformdirs = pytest.importorskip("platformdirs")

ENVIRONMENTS = {
    "a home": {"HOME": "/home/someone"},
    "a folder for caches": {"HOME": "/home/someone", "XDG_CACHE_HOME": "/fast/cache"},
    "a relative one": {"HOME": "/home/someone", "XDG_CACHE_HOME": "cache"},
    "an empty one": {"HOME": "/home/someone", "XDG_CACHE_HOME": ""},
    "an account": {},
    "a relative home": {"HOME": "someone"},
}


@pytest.mark.skipif(sys.platform == "win32", reason="the homes are POSIX's")
@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
@pytest.mark.parametrize("system", ["linux", "darwin", "freebsd14"])
def test_as_platformdirs(system, environment):
    from platformdirs.macos import MacOS
    from platformdirs.unix import Unix

    kind = MacOS if system == "darwin" else Unix
    kept = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
    with mock.patch.dict(os.environ, kept | environment, clear=True):
        with mock.patch.object(sys, "platform", system):
            assert _store.user_folder() == Path(kind("numbanorm").user_cache_dir)


def test_as_platformdirs_on_windows():
    from platformdirs import windows

    local = os.path.abspath("local")
    with mock.patch.object(windows, "get_win_folder", lambda _: local):
        wanted = windows.Windows("numbanorm").user_cache_dir
    with mock.patch.dict(os.environ, LOCALAPPDATA=local):
        with mock.patch.object(sys, "platform", "win32"):
            assert _store.user_folder() == Path(wanted)


@pytest.mark.skipif(sys.platform == "win32", reason="accounts are POSIX's")
@pytest.mark.parametrize("home", [None, "~", "relative"])
def test_a_user_without_a_home_has_none(home):
    kept = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
    with mock.patch.dict(os.environ, kept | ({} if home is None else {"HOME": home}), clear=True):
        with mock.patch("pwd.getpwuid", {}.__getitem__):
            assert _store.user_folder() is None


def test_a_set_folder_is_the_only_one():
    with mock.patch.object(config, "CACHE_DIR", "/set"):
        assert _store.candidates() == [Path("/set")]


def test_a_set_folder_holds_without_numba():
    code = (
        "import sys; from numbanorm import _store\n"
        "print(*_store.candidates(), 'numba' in sys.modules)"
    )
    assert processes.run(code, environment={"NUMBA_CACHE_DIR": "/set"}) == "/set False\n"


def test_else_the_environments_and_the_users():
    wanted = [Path(sys.prefix, "var", "cache", "numbanorm"), _store.user_folder()]
    with mock.patch.object(config, "CACHE_DIR", ""):
        assert _store.candidates() == wanted
        for name, value in ("frozen", True), ("_MEIPASS", "/tmp/gone"):
            with mock.patch.object(sys, name, value, create=True):
                assert _store.candidates() == wanted[1:]
