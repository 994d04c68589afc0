"""`numbanorm experiment`: an article's claims about normalization, tried on handwritten digits."""

from __future__ import annotations

import sys
from concurrent.futures.process import BrokenProcessPool

from numbanorm._files import write_json
from numbanorm._refusals import Refusal
from numbanorm.experiment import digits, report, results, work
from numbanorm.experiment.claims import judged
from numbanorm.experiment.options import Options
from numbanorm.experiment.plan import FULL, QUICK
from numbanorm.experiment.results import Results

__all__ = ["Options", "run"]

INTERRUPTED = 130


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
    try:
        options.check()
        found = _found(options)
        if options.plot is not None:
            from numbanorm.experiment import figure

            figure.draw(found, options.plot)
    except Refusal as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(str(error), 1)
    except BrokenProcessPool:
        return _fail("a process that trains networks was ended; is there enough memory?", 1)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing was written", INTERRUPTED)
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


def _fail(line: str, status: int) -> int:
    print(f"numbanorm experiment: {line}", file=sys.stderr)
    return status
