"""What commands refuse before they begin: files that can't be written, extras that are missing."""

from __future__ import annotations

import importlib
import os
import tempfile
from pathlib import Path
from typing import Any

EXTRAS = {"PIL": "images", "zarr": "zarr", "matplotlib": "plot"}
_NAMES = {"PIL": "Pillow"}


class Refusal(Exception):
    """What is asked for can't be done; nothing has been begun yet."""


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
