"""`numbanorm stats`: mean and std of the channels of image files and arrays, in one pass."""

from __future__ import annotations

import warnings
from functools import partial

from numbanorm._files import write_json
from numbanorm._refusals import INTERRUPTED, carried_out, needed, said
from numbanorm.functional import get_num_threads
from numbanorm.stats import report, sources, work, written
from numbanorm.stats.options import Options
from numbanorm.stats.state import State, resumed
from numbanorm.stats.work import End

__all__ = ["Options", "run"]

_fail = partial(said, "stats")


def run(options: Options) -> int:
    """Do what the command is asked for.

    Parameters
    ----------
    options : Options
        Its arguments.

    Returns
    -------
    int
        0 if files of one kind were read, 1 if of several or none, or with `strict` all but one;
        2 if nothing was begun, because of an argument; 130 if Ctrl-C ended it.
    """
    return carried_out("stats", partial(_carry_out, options))


def _carry_out(options: Options) -> int:
    """Do it; returns the status."""
    options.check()
    state = State(options.settings)
    if options.resume is not None:
        state = resumed(options.resume, options.settings)
    files = sources.find(options.paths, options.null)
    _check_extras(files)
    with warnings.catch_warnings():
        # Decoders', of doubts about files that they read all the same.
        warnings.simplefilter("ignore")
        return _read(state, files, options)


def _check_extras(files: list[str]) -> None:
    if any(not sources.is_array(file) for file in files):
        needed("PIL.Image", "reading images")
    if any(sources.is_array(file) and sources.suffix(file) not in sources.ARRAYS for file in files):
        needed("zarr", "reading zarr arrays")


def _read(state: State, files: list[str], options: Options) -> int:
    left = state.remaining(files)
    threads = get_num_threads() if options.threads is None else options.threads
    end = work.run(state, left, threads, options.strict, options.state)
    if options.state is not None:
        state.save(options.state)
    if end is End.INTERRUPTED:
        return _fail(_interrupted(state, len(files), options.state), INTERRUPTED)
    if end is End.STRICT:
        return _fail("stopped at a file that could not be read, as --strict says", 1)
    if options.json is not None:
        write_json(options.json, written.results(state))
    if not state.tallies:
        return _fail(f"files must be readable, got {len(state.broken)} that are not", 1)
    if options.plot is not None:
        from numbanorm.stats import figure

        figure.draw(state.tallies, options.plot)
    print("\n".join(report.lines(state)))
    for line in (found := report.mixed(state)):
        _fail(line, 1)
    return 1 if found else 0


def _interrupted(state: State, files: int, saved: str | None) -> str:
    done = f"interrupted after {len(state.done) + len(state.broken):,} of {files:,} files"
    if saved is None:
        return f"{done}; nothing was saved, as --save FILE would have"
    return f"{done}, which are saved in {saved}: go on with the same command and --resume {saved}"
