"""Files that outlive a process: where they are kept, and how they are read and written.

Never in a folder that Python imports from: what lay beside the package would outlive its
uninstalling, as a husk that Python takes for it. Files are read from any of several folders, so
that what an administrator put there serves users who may not write there.
"""

import contextlib
import hashlib
import os
import secrets
import sys
from pathlib import Path

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
    config = sys.modules.get("numba.core.config")
    given = str(getattr(config, "CACHE_DIR", os.environ.get("NUMBA_CACHE_DIR", "")))
    if given:
        return [Path(given)]
    users = user_folder()
    environments = [] if frozen() else [Path(sys.prefix) / "var" / "cache" / APP]
    return environments if users is None else [*environments, users]


def read(folders: list[Path], name: str) -> bytes | None:
    """Return what a file in one of some folders holds, or None if it is not whole or not there."""
    for folder in folders:
        with contextlib.suppress(OSError):
            content = (folder / name).read_bytes()
            digest, payload = content[:32], content[32:]
            if payload and hashlib.sha256(payload).digest() == digest:
                return payload
    return None


def write(folders: list[Path], name: str, payload: bytes) -> None:
    """Put a file into the first folder that takes it, by one rename.

    A full disk or folders that are read-only cost a compile next time, never an error now.
    """
    content = hashlib.sha256(payload).digest() + payload
    for folder in folders:
        temporary = folder / f".{name}.{secrets.token_hex(8)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                # For all to read whom the user lets read new files.
                with temporary.open("xb") as file:
                    file.write(content)
                os.replace(temporary, folder / name)
                return
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        except OSError:
            continue
