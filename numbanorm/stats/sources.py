"""What there is to read: the files that paths, globs, folders and lists of them name."""

from __future__ import annotations

import glob
import json
import os
import sys
from collections.abc import Iterator
from functools import lru_cache

from numbanorm._refusals import Refusal

ARRAYS = frozenset({".npy", ".npz"})

# If Pillow is missing, enough to see that it is what is missing.
_COMMON = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


def find(paths: tuple[str, ...], null: bool = False) -> list[str]:
    """Return the absolute paths of all files, each once, in the order they are met.

    Parameters
    ----------
    paths : tuple of str
        Files; folders, which are searched; globs; and '-', standard input.
    null : bool
        Whether the paths from standard input end with NUL instead of a new line.

    Raises
    ------
    Refusal
        If a path doesn't exist, or there is nothing in it.
    """
    found: dict[str, None] = {}
    for path in paths:
        files = [file for one in _named(path, null) for file in _files(one)]
        found |= dict.fromkeys(files)
        if not files:
            raise Refusal(f"paths must have images or arrays in them, got {path!r} with none")
    return list(found)


def shown(path: str) -> str:
    """Return a path as it is printed: relative if it is below the working folder."""
    start = os.path.join(os.getcwd(), "")
    return path.removeprefix(start).encode(errors="surrogateescape").decode(errors="replace")


def suffix(path: str) -> str:
    """Return what a path ends with, from the last dot on, in small letters."""
    return os.path.splitext(path)[1].lower()


def is_zarr(path: str) -> bool:
    """Return whether a folder is a zarr array; a group of arrays is not one."""
    if os.path.exists(os.path.join(path, ".zarray")):
        return True
    try:
        with open(os.path.join(path, "zarr.json"), encoding="utf-8") as file:
            return bool(json.load(file).get("node_type") == "array")
    except (OSError, ValueError, AttributeError):
        return False


def is_array(path: str) -> bool:
    """Return whether a path that was found is of an array rather than an image."""
    return suffix(path) in ARRAYS or os.path.isdir(path)


def _listed(null: bool) -> list[str]:
    text = sys.stdin.buffer.read()
    paths = [os.fsdecode(path) for path in text.split(b"\0" if null else b"\n") if path]
    for path in paths:
        if not os.path.exists(path):
            raise Refusal(f"paths must exist, got {path!r} on standard input")
    return paths


def _named(path: str, null: bool) -> list[str]:
    if path == "-":
        return _listed(null)
    if os.path.exists(path):
        return [path]
    if not any(sign in path for sign in "*?["):
        raise Refusal(f"paths must exist, got {path!r}")
    matches = sorted(glob.glob(path, recursive=True))
    if not matches:
        raise Refusal(f"globs must match something, got {path!r}")
    return matches


def _files(path: str) -> Iterator[str]:
    path = os.path.abspath(path)
    if os.path.isdir(path) and not is_zarr(path):
        yield from _walk(path, frozenset())
    else:
        yield path


def _walk(folder: str, above: frozenset[str]) -> Iterator[str]:
    """Yield the files below a folder whose suffixes are known, sorted, without hidden ones."""
    # A link to a folder is followed, but to one that it is in.
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise Refusal(f"{folder} must be a folder to read, got: {error.strerror}") from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if is_zarr(entry.path):
                yield entry.path
            else:
                yield from _walk(entry.path, above | {real})
        elif suffix(entry.name) in _suffixes():
            yield entry.path


@lru_cache(maxsize=1)
def _suffixes() -> frozenset[str]:
    try:
        from numbanorm.stats import formats
    except ImportError:
        return ARRAYS | _COMMON
    return ARRAYS | formats.FORMATS.keys()
