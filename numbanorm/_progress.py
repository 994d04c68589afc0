"""What is seen while a command works: a bar where there is a terminal, and lines above it."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Self


class Progress:
    """A bar on stderr; none without tqdm or a terminal.

    Parameters
    ----------
    total : float
        What there is to do, in any unit.
    form : str
        What the bar looks like, as tqdm's `bar_format`.
    unit : str
        The unit's name.
    """

    def __init__(self, total: float, form: str, unit: str = "") -> None:
        self._bar: Any = None
        if sys.stderr.isatty():
            with contextlib.suppress(ImportError):
                from tqdm import tqdm

                self._bar = tqdm(total=total, unit=f" {unit}", bar_format=form, file=sys.stderr)

    @property
    def shown(self) -> bool:
        """Whether there is a bar."""
        return self._bar is not None

    def advance(self, done: float) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(done)

    def say(self, line: str) -> None:
        """Print a line to stderr, above the bar."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr)

    def name(self, work: str) -> None:
        """Say beside the bar what is being done; nowhere if there is none."""
        if self._bar is not None:
            self._bar.set_description_str(work)

    def __enter__(self) -> Self:
        """Return the bar itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is, and the cursor below it."""
        if self._bar is not None:
            self._bar.close()
