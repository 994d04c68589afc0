"""Fetch the pinned libraries once, check them each time, and lay them beside the pages."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .errors import DashboardError, DownloadError
from .pins import Pin

# npm's own patience without a network is minutes.
PATIENCE = ["--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-timeout=60000"]


def fetch(pins: Iterable[Pin], cache: Path) -> None:
    """Have every pin's tarball in the cache, asking npm only for those that are not there.

    Raises DownloadError where npm cannot, DashboardError where a tarball is not the pinned one.
    """
    pins = list(pins)
    missing = [pin for pin in pins if not (cache / pin.tarball).exists()]
    if missing:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            download(missing, Path(folder))
            for pin in missing:
                check(pin, Path(folder, pin.tarball)).replace(cache / pin.tarball)
    for pin in pins:
        check(pin, cache / pin.tarball)


def download(pins: list[Pin], folder: Path) -> None:
    """Pack the pins' tarballs into a folder."""
    names = [f"{pin.name}@{pin.version}" for pin in pins]
    npm = shutil.which("npm")
    if npm is None:
        raise DownloadError(f"npm must be on the PATH to fetch {', '.join(names)}, found none")
    command = [npm, "pack", "--loglevel=error", "--prefer-offline", *PATIENCE, *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise DownloadError(f"npm must fetch {', '.join(names)}, got: {said[0]}")


def check(pin: Pin, path: Path) -> Path:
    """Return the path of a tarball whose bytes are the pinned ones."""
    digest = hashlib.sha512(path.read_bytes()).digest()
    got = "sha512-" + base64.b64encode(digest).decode()
    if got != pin.integrity:
        raise DashboardError(f"{path} must have integrity {pin.integrity}, got {got}")
    return path


def lay_out(pins: Iterable[Pin], cache: Path, site: Path) -> dict[str, str]:
    """Unpack what the pages need, and the licences, into the published folder.

    Returns the end of a remote link -> the path of its file in that folder.
    """
    links = {}
    for pin in pins:
        folder = site / pin.folder
        folder.mkdir(parents=True)
        with tarfile.open(check(pin, cache / pin.tarball)) as tar:
            for member in {pin.licence, *pin.files.values()}:
                (folder / Path(member).name).write_bytes(read(tar, member, pin))
        for link, member in pin.files.items():
            links[link] = f"{pin.folder}/{Path(member).name}"
    return links


def read(tar: tarfile.TarFile, member: str, pin: Pin) -> bytes:
    """Return the bytes of a file in a package."""
    path = f"package/{member}"
    data = tar.extractfile(path) if path in tar.getnames() else None
    if data is None:
        raise DashboardError(f"{pin.tarball} must contain the file {path}, found none")
    return data.read()
