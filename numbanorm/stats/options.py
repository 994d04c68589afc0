"""What `numbanorm stats` is asked for, and what must be there before it reads anything."""

from __future__ import annotations

import importlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXTRAS = {"PIL": "images", "zarr": "zarr", "matplotlib": "plot"}
_NAMES = {"PIL": "Pillow"}


class Refusal(Exception):
    """What is asked for can't be done; nothing has been read yet."""


@dataclass(frozen=True)
class Settings:
    """What statistics depend on besides the files; what is resumed must have the same."""

    mode: str | None = None
    layout: str | None = None
    key: str | None = None
    histograms: bool = False


@dataclass(frozen=True)
class Options:
    """The command's arguments; `numbanorm.cli` says what each means."""

    paths: tuple[str, ...]
    null: bool = False
    mode: str | None = None
    layout: str | None = None
    key: str | None = None
    threads: int | None = None
    strict: bool = False
    json: str | None = None
    save: str | None = None
    resume: str | None = None
    plot: str | None = None

    @property
    def settings(self) -> Settings:
        """What is asked for of that."""
        return Settings(self.mode, self.layout, self.key, self.plot is not None)

    @property
    def state(self) -> str | None:
        """The file that the state is saved to: if not said otherwise, the one resumed from."""
        return self.save if self.save is not None else self.resume

    def check(self) -> None:
        """Refuse what can't be written at the end; a Refusal says why."""
        if self.threads is not None and self.threads < 1:
            raise Refusal(f"--threads must be 1 or more, got {self.threads}")
        state = "--resume" if self.save is None else "--save"
        targets = {"--json": self.json, state: self.state, "--plot": self.plot}
        for option, target in targets.items():
            if target is not None:
                _check_target(option, Path(target))
        if self.plot is not None:
            _check_picture(self.plot)


def needed(module: str, what: str) -> Any:
    """Return a module of an extra; a Refusal says which extra has it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        top = module.partition(".")[0]
        name, extra = _NAMES.get(top, top), EXTRAS[top]
        raise Refusal(f"{what} needs {name} (pip install 'numbanorm[{extra}]'): {error}") from None


def _check_target(option: str, target: Path) -> None:
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


def _check_picture(target: str) -> None:
    backend = needed("matplotlib.backends.backend_agg", "--plot")
    known = sorted(backend.FigureCanvasAgg.get_supported_filetypes())
    if Path(target).suffix.lower().removeprefix(".") not in known:
        raise Refusal(f"--plot must end with one of {', '.join(known)}, got {target}")
