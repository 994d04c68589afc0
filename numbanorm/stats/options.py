"""What `numbanorm stats` is asked for, and what must be there before it reads anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from numbanorm._refusals import Refusal, check_picture, check_target


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
                check_target(option, Path(target))
        if self.plot is not None:
            check_picture(self.plot)
