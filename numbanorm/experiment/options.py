"""What `numbanorm experiment` is asked for, and what is refused before anything is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from numbanorm._refusals import Refusal, check_picture, check_target

# Where results go that no other file is named for.
JSON, QUICK_JSON = "numbanorm-experiment.json", "numbanorm-experiment-quick.json"


@dataclass(frozen=True)
class Options:
    """The command's arguments; `numbanorm.cli` says what each means."""

    quick: bool = False
    data: str | None = None
    seeds: int | None = None
    json: str | None = None
    plot: str | None = None
    results: str | None = None

    @property
    def target(self) -> str:
        """The file that results go to."""
        return self.json or (QUICK_JSON if self.quick else JSON)

    def check(self) -> None:
        """Refuse what makes no sense, or can't be written at the end; a Refusal says why."""
        if self.results is not None:
            given = {"--quick": self.quick, "--data": self.data, "--seeds": self.seeds}
            given["--json"] = self.json
            for option, value in given.items():
                if value not in (None, False):
                    raise Refusal(f"{option} must not be given with --from, which trains nothing")
        elif self.json == "":
            raise Refusal("--json must name a file, got nothing")
        else:
            check_target("--json", Path(self.target))
        if self.seeds is not None and self.seeds < 2:
            raise Refusal(f"--seeds must be 2 or more, got {self.seeds}: one has no error bar")
        if self.plot is not None:
            check_target("--plot", Path(self.plot))
            check_picture(self.plot)
            if self.results is None and Path(self.plot).resolve() == Path(self.target).resolve():
                raise Refusal(f"--plot and --json must be two files, got {self.plot} for both")
