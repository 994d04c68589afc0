"""`State`: all that is known so far, which is saved, and gone on with another day."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from numbanorm._files import write_json
from numbanorm._refusals import Refusal, of_file
from numbanorm.stats import tallies
from numbanorm.stats.options import Settings
from numbanorm.stats.parts import Part
from numbanorm.stats.tallies import Tallies

_KIND, _VERSION = "numbanorm.stats", 1


@dataclass
class Opened:
    """What is known of an array that is not read to its end; it counts when it is."""

    file: str
    pieces: int = 0
    tallies: Tallies = field(default_factory=dict)


@dataclass
class State:
    """Statistics, and which files are in them.

    Parts are taken in the order of the files, so that a state is always that of the first so many.
    """

    settings: Settings
    tallies: Tallies = field(default_factory=dict)
    # Absolute paths of what was read, and of what could not be, with the reasons.
    done: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    # How many files have more images than their first, the one that was read.
    longer: int = 0
    opened: Opened | None = None

    def remaining(self, files: list[str]) -> list[str]:
        """Return the files that are left to read, in order.

        One that is read in part comes first, those that could not be read before come last.
        """
        done = set(self.done)
        left = [file for file in files if file not in done]
        if self.opened is not None:
            if self.opened.file in left:
                left.remove(self.opened.file)
                left.insert(0, self.opened.file)
            else:
                self.opened = None
        return sorted(left, key=self.broken.__contains__)

    def wants(self, part: Part) -> bool:
        """Return whether a part counts: pieces of an array of which one failed do not."""
        if part.piece is None or part.piece[1] == 0:
            return True
        return self.opened is not None and self.opened.file == part.piece[0]

    def take(self, part: Part) -> None:
        """Take in what came of a task, a part that counts."""
        if part.piece is None:
            tallies.merge(self.tallies, part.tallies)
            self._finish(part)
            return
        file, number = part.piece
        if self.opened is None or number == 0:
            self.opened = Opened(file)
        tallies.merge(self.opened.tallies, part.tallies)
        self.opened.pieces = number + 1
        if part.files:
            if not part.broken:
                tallies.merge(self.tallies, self.opened.tallies)
            self._finish(part)

    def _finish(self, part: Part) -> None:
        if self.opened is not None and self.opened.file in part.files:
            self.opened = None
        for file in part.files:
            self.broken.pop(file, None)
        self.done += [file for file in part.files if file not in part.broken]
        self.broken |= part.broken
        self.longer += part.longer

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, of types that JSON has."""
        opened = self.opened and vars(self.opened) | {
            "tallies": tallies.to_list(self.opened.tallies)
        }
        return {
            "kind": _KIND,
            "version": _VERSION,
            "settings": asdict(self.settings),
            "tallies": tallies.to_list(self.tallies),
            "done": self.done,
            "broken": dict(sorted(self.broken.items())),
            "longer": self.longer,
            "opened": opened,
        }

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Self:
        """Return what `to_dict` gave; a KeyError, TypeError or the like if it did not."""
        if found["kind"] != _KIND or found["version"] != _VERSION:
            raise ValueError(f"version must be {_VERSION}, got {found['version']!r}")
        opened = found["opened"]
        if opened is not None:
            opened = Opened(
                str(opened["file"]), int(opened["pieces"]), tallies.from_list(opened["tallies"])
            )
        return cls(
            Settings(**found["settings"]),
            tallies.from_list(found["tallies"]),
            list(map(str, found["done"])),
            {str(file): str(why) for file, why in found["broken"].items()},
            int(found["longer"]),
            opened,
        )

    def save(self, path: str) -> None:
        """Write the state to a file: whole, or not at all."""
        write_json(path, self.to_dict())


def resumed(path: str, settings: Settings) -> State:
    """Return a state that was saved; a Refusal if it is none, or one of other settings."""
    state = of_file("--resume", path, "--save", State.from_dict)
    for name, asked in asdict(settings).items():
        before = getattr(state.settings, name)
        if asked and asked != before:
            option = "plot" if name == "histograms" else name
            was = "not given" if before in (None, False) else before
            raise Refusal(f"--{option} must be as in {path}, where it was {was}")
    return state
