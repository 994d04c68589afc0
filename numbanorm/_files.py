"""Results as JSON has them, in files that are written whole or not at all."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def numbers(values: NDArray[Any]) -> list[float | str]:
    """Return numbers as JSON has them: those that it has no words for by Python's, as strings."""
    return [value if math.isfinite(value) else str(value) for value in values.tolist()]


def write_json(path: str | os.PathLike[str], found: Any) -> None:
    """Write what JSON has to a file: whole, or not at all."""
    target = Path(path)
    beside = target.with_name(f".{os.urandom(8).hex()}.json")
    try:
        with beside.open("x", encoding="utf-8") as file:
            json.dump(found, file, allow_nan=False)
            file.write("\n")
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return what a file of JSON holds; ValueError if it is none."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)} must be JSON, got {error}") from None
