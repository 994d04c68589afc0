"""The command line: `numbanorm demo`, `stats`, `experiment`, `info`, `warmup` and `capi`."""

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
    _add_experiment(commands)
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
    if chosen.command == "experiment":
        from numbanorm import experiment

        del chosen.command
        return experiment.run(experiment.Options(**vars(chosen)))
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


def _add_experiment(commands: Any) -> None:
    """Add the arguments of `numbanorm experiment`, of the names that its `Options` has."""
    experiment = commands.add_parser(
        "experiment",
        help="try what is claimed of normalization, on networks that learn handwritten digits",
        description="Trains small networks on handwritten digits, without norm and with each: how "
        "accurate they get and how fast, with which learning rates and initial weights, and how "
        "their layers' inputs drift. Prints tables, and claims with what was measured.",
        epilog="As many networks are trained at once as numbanorm has threads; the results don't "
        "depend on it. The status is 0; 1 if a file could not be written, 2 if the arguments are "
        "wrong, and 130 after Ctrl-C.",
    )
    experiment.add_argument(
        "--quick", action="store_true", help="a minute, not a quarter of an hour: too little to see"
    )
    experiment.add_argument(
        "--data",
        metavar="FILE.npz",
        help="digits to learn instead of the repository's 10,000: images and labels, or Keras's "
        "mnist.npz",
    )
    experiment.add_argument("--seeds", type=int, metavar="N", help="5 if not given, or 3 if quick")
    experiment.add_argument(
        "--json",
        metavar="FILE",
        help="where the results go; numbanorm-experiment.json here if not given, or "
        "numbanorm-experiment-quick.json",
    )
    experiment.add_argument("--plot", metavar="FILE.png", help="draw all of it as one figure")
    experiment.add_argument(
        "--from",
        metavar="FILE",
        dest="results",
        help="train nothing; report and draw what --json wrote",
    )


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
