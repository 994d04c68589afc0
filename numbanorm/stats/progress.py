"""What is seen while files are read: a bar where there is a terminal, and the files that failed."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Self

# tqdm's own, but that parts of arrays count as parts of files.
_FORMAT = "{percentage:3.0f}%|{bar}| {n:,.0f}/{total:,} files [{elapsed}<{remaining}, {rate_fmt}]"


class Progress:
    """A bar on stderr with the rate and the time left; none without tqdm or a terminal."""

    def __init__(self, files: int) -> None:
        self._bar: Any = None
        if sys.stderr.isatty():
            with contextlib.suppress(ImportError):
                from tqdm import tqdm

                self._bar = tqdm(total=files, unit=" files", bar_format=_FORMAT, file=sys.stderr)

    def advance(self, files: float) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(files)

    def say(self, line: str) -> None:
        """Print a line to stderr, above the bar."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr)

    def __enter__(self) -> Self:
        """Return the bar itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is, and the cursor below it."""
        if self._bar is not None:
            self._bar.close()
