"""`numbanorm experiment`: an article's claims about normalization, tried on handwritten digits."""

from __future__ import annotations

from concurrent.futures.process import BrokenProcessPool
from functools import partial

from numbanorm._files import write_json
from numbanorm._refusals import carried_out
from numbanorm.experiment import digits, report, results, work
from numbanorm.experiment.claims import judged
from numbanorm.experiment.options import Options
from numbanorm.experiment.plan import FULL, QUICK
from numbanorm.experiment.results import Results

__all__ = ["Options", "run"]


def run(options: Options) -> int:
    """Do what the command is asked for.

    Parameters
    ----------
    options : Options
        Its arguments.

    Returns
    -------
    int
        0; 1 if a file could not be written, or a process was ended; 2 if nothing was begun, because
        of an argument; 130 if Ctrl-C ended it.
    """
    return carried_out(
        "experiment", partial(_carry_out, options), "interrupted; nothing was written"
    )


def _carry_out(options: Options) -> int:
    """Do it, and return 0."""
    options.check()
    try:
        found = _found(options)
    except BrokenProcessPool:
        raise ChildProcessError(
            "a process that trains networks was ended; is there enough memory?"
        ) from None
    if options.plot is not None:
        from numbanorm.experiment import figure

        figure.draw(found, options.plot)
    print("\n".join(report.lines(found)))
    if options.results is None:
        print(f"\nThe results are in {options.target}; --from {options.target} reports them again.")
    return 0


def _found(options: Options) -> Results:
    """Return results, of a file or of trainings, which go to a file then."""
    if options.results is not None:
        return results.load(options.results)
    data = digits.load(options.data)
    found = work.run((QUICK if options.quick else FULL).with_seeds(options.seeds), data)
    claims = [claim._asdict() for claim in judged(found)]
    write_json(options.target, found.to_dict() | {"claims": claims})
    return found
