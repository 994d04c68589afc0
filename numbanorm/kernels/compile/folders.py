"""Where compiled kernels are kept: never in a folder that Python imports from.

What lay beside the package would outlive its uninstalling, as a husk that Python takes for it.
"""

import os
import sys
from pathlib import Path

from numba import config

APP = "numbanorm"


def user_folder() -> Path | None:
    """Return the user's own folder for caches, or None for a user without a home.

    As `platformdirs.user_cache_dir("numbanorm")` gives it.
    """
    home = _home()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", "")
        base = Path(local) if os.path.isabs(local) else home and home / "AppData" / "Local"
        return base and base / APP / APP / "Cache"
    given = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(given):
        return Path(given) / APP
    below = ("Library", "Caches") if sys.platform == "darwin" else (".cache",)
    return home and home.joinpath(*below, APP)


def _home() -> Path | None:
    """Return the user's home; a relative one is none, nor is the "~" of a user without any."""
    found = os.path.expanduser("~")
    if not os.path.isabs(found) and sys.platform != "win32":
        import pwd

        try:
            found = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            return None
    return Path(found) if os.path.isabs(found) else None


def frozen() -> bool:
    """Return whether this is a program with a Python of its own inside (PyInstaller and others)."""
    return bool(getattr(sys, "frozen", False)) or hasattr(sys, "_MEIPASS")


def candidates() -> list[Path]:
    """Return the folders of caches in which to look, in this order.

    `NUMBA_CACHE_DIR` if set, else the Python environment's and the user's. The environment of a
    frozen program may be gone when it ends.
    """
    given = str(getattr(config, "CACHE_DIR", ""))
    if given:
        return [Path(given)]
    users = user_folder()
    environments = [] if frozen() else [Path(sys.prefix) / "var" / "cache" / APP]
    return environments if users is None else [*environments, users]
