"""How commands end, and what they refuse before they begin: files, and extras that are missing."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numbanorm._files import read_json

INTERRUPTED = 130

Made = TypeVar("Made")

EXTRAS = {"PIL": "images", "zarr": "zarr", "matplotlib": "plot"}
_NAMES = {"PIL": "Pillow"}


class Refusal(Exception):
    """What is asked for can't be done; nothing has been begun yet."""


def said(command: str, line: str, status: int) -> int:
    """Return a status, once stderr has a line that says why."""
    print(f"numbanorm {command}: {line}", file=sys.stderr)
    return status


def carried_out(command: str, work: Callable[[], int], interrupted: str = "interrupted") -> int:
    """Do a command's work; returns its status, or that of what ended it, which is said on stderr.

    That is 2 where an argument is refused, 1 where a file or the system fails, 130 after Ctrl-C.
    """
    try:
        return work()
    except (Refusal, ValueError) as error:
        return said(command, str(error), 2)
    except OSError as error:
        return said(command, str(error), 1)
    except KeyboardInterrupt:
        return said(command, interrupted, INTERRUPTED)


def of_file(option: str, path: str, writer: str, made: Callable[[Any], Made]) -> Made:
    """Return what is made of a file of JSON; a Refusal if it can't be, for another wrote it."""
    try:
        return made(read_json(path))
    except OSError as error:
        raise Refusal(f"{option} must be a file to read, got {path}: {error.strerror}") from None
    except (
        ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError,
    ) as error:  # fmt: skip
        raise Refusal(
            f"{option} must be a file that {writer} wrote, got {path}: "
            f"{type(error).__name__}: {error}"
        ) from None


def needed(module: str, what: str) -> Any:
    """Return a module of an extra; a Refusal says which extra has it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        top = module.partition(".")[0]
        name, extra = _NAMES.get(top, top), EXTRAS[top]
        raise Refusal(f"{what} needs {name} (pip install 'numbanorm[{extra}]'): {error}") from None


def check_target(option: str, target: Path) -> None:
    """Refuse a file that can't be written."""
    if target.exists() and not target.is_file():
        raise Refusal(f"{option} must be a file to write, got {target}, which is something else")
    if target.exists() and not os.access(target, os.W_OK):
        raise Refusal(f"{option} must be a file to write, got {target}, which is read-only")
    try:
        # Files are written beside their place first.
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise Refusal(
            f"{option} must be in a folder to write to, got {target}: {error.strerror}"
        ) from None


def check_picture(target: str) -> None:
    """Refuse a picture of a kind that can't be drawn, and any without matplotlib."""
    backend = needed("matplotlib.backends.backend_agg", "--plot")
    known = sorted(backend.FigureCanvasAgg.get_supported_filetypes())
    if Path(target).suffix.lower().removeprefix(".") not in known:
        raise Refusal(f"--plot must end with one of {', '.join(known)}, got {target}")
