"""The command line: `numbanorm demo` and `numbanorm info`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the process's exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command and its options; those of the process if not given.

    Returns
    -------
    int
        0, or 1 where the command could not do its work.
    """
    parser = argparse.ArgumentParser(
        prog="numbanorm", description="Normalization layers for NumPy arrays on the CPU."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="normalise real and random images, and time it")
    demo.add_argument("--plot", metavar="FILE.png", help="draw the digits' histograms to a file")
    commands.add_parser("info", help="print what a bug report needs")
    chosen = parser.parse_args(arguments)
    if chosen.command == "info":
        from numbanorm import _info

        print(_info.report())
        return 0
    from numbanorm import _demo

    return _demo.run(chosen.plot)
