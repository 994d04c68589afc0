"""The command line: `numbanorm demo`, `stats`, `info`, `warmup` and `capi`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    _add_stats(commands)
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
    if chosen.command == "stats":
        from numbanorm import stats

        del chosen.command
        return stats.run(stats.Options(**vars(chosen) | {"paths": tuple(chosen.paths)}))
    from numbanorm import _demo

    return _demo.run(chosen.plot)


def _add_stats(commands: Any) -> None:
    """Add the arguments of `numbanorm stats`, of the names that `stats.Options` has."""
    stats = commands.add_parser(
        "stats",
        help="mean and std of each channel of images and arrays",
        description="Mean, std, min and max of each channel of image files and of arrays in .npy, "
        ".npz and zarr. Broken files are named and counted. A file counts once, and of one with "
        "several images the first.",
        epilog="The status is 0 if something was read, 1 if nothing was, if images of several "
        "kinds were, or with --strict a file was broken; 2 if the arguments are wrong, and 130 "
        "after Ctrl-C.",
    )
    stats.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a folder (searched, but for hidden files), a file, a glob in quotes, "
        "or - for paths on standard input",
    )
    stats.add_argument(
        "-0", "--null", action="store_true", help="paths on standard input end with NUL"
    )
    stats.add_argument("--mode", choices=["L", "RGB", "RGBA"], help="what 8-bit images become")
    stats.add_argument(
        "--layout",
        choices=["NHWC", "NCHW", "NHW"],
        help="of arrays; NHW has no axis of channels. If not given, NHWC where the last of four "
        "axes is at most 4, or of three 3 or 4",
    )
    stats.add_argument("--key", metavar="NAME", help="the member of .npz files that is read")
    stats.add_argument("--threads", type=int, metavar="N", help="all cores if not given")
    stats.add_argument("--strict", action="store_true", help="stop at the first broken file")
    stats.add_argument("--json", metavar="FILE", help="write the results, with all digits")
    stats.add_argument(
        "--save", metavar="FILE", help="keep what is done, each 30 seconds and on Ctrl-C"
    )
    stats.add_argument(
        "--resume",
        metavar="FILE",
        help="go on from what --save kept; it is saved there again, if --save names no other file",
    )
    stats.add_argument("--plot", metavar="FILE.png", help="draw a histogram for each channel")


def _warm(norms: list[str] | None, dtypes: list[str] | None, jit: bool, c: bool) -> int:
    try:
        _warmup.warmup(norms, dtypes, jit=jit, c=c, progress=True)
    except (ImportError, TypeError, ValueError) as error:
        print(f"numbanorm warmup: {error}", file=sys.stderr)
        return 2
    from numbanorm import _info

    print(f"The kernels are ready. Cache: {_info.cache()}")
    return 0


def _capi(prefix: str) -> int:
    from numbanorm import _versions
    from numbanorm.cabi import building

    try:
        _versions.check()
    except ImportError as error:
        print(f"numbanorm capi: {error}", file=sys.stderr)
        return 1
    print("compiling for", ", ".join(building.targets()), "(a minute or two)", flush=True)
    try:
        for path in building.build(Path(prefix).absolute()):
            print(path)
    except (building.BuildError, OSError) as error:
        print(f"numbanorm capi: {error}", file=sys.stderr)
        return 1
    return 0
