"""The command line: `numbanorm demo`, `info`, `warmup` and `capi`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from numbanorm import _warmup


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
    warm = commands.add_parser("warmup", help="compile kernels ahead, for images and servers")
    warm.add_argument("--norms", nargs="+", metavar="NORM", help=", ".join(_warmup.NORMS))
    warm.add_argument(
        "--dtypes",
        nargs="+",
        metavar="DTYPE",
        help="float32 and float64 if not given; float16, bfloat16",
    )
    warm.add_argument("--jit", action="store_true", help="numbanorm.jit's functions too")
    warm.add_argument("--c", action="store_true", help="numbanorm.cabi's functions too")
    capi = commands.add_parser("capi", help="build the C library, which needs no Python")
    capi.add_argument("--prefix", metavar="DIR", required=True, help="where include/ and lib/ go")
    chosen = parser.parse_args(arguments)
    if chosen.command == "info":
        from numbanorm import _info

        print(_info.report())
        return 0
    if chosen.command == "capi":
        return _capi(chosen.prefix)
    if chosen.command == "warmup":
        return _warm(chosen.norms, chosen.dtypes, chosen.jit, chosen.c)
    from numbanorm import _demo

    return _demo.run(chosen.plot)


def _warm(norms: list[str] | None, dtypes: list[str] | None, jit: bool, c: bool) -> int:
    try:
        _warmup.warmup(norms, dtypes, jit=jit, c=c, progress=True)
    except (TypeError, ValueError) as error:
        print(f"numbanorm warmup: {error}", file=sys.stderr)
        return 2
    from numbanorm import _info

    print(f"The kernels are ready. Cache: {_info.cache()}")
    return 0


def _capi(prefix: str) -> int:
    from numbanorm.cabi import building

    print("compiling for", ", ".join(building.targets()), "(a minute or two)", flush=True)
    try:
        for path in building.build(Path(prefix).absolute()):
            print(path)
    except (building.BuildError, OSError) as error:
        print(f"numbanorm capi: {error}", file=sys.stderr)
        return 1
    return 0
