"""Compare kernels compiled ahead with those that Numba compiles, in an installation with both.

python asv_bench/beside_jit.py [--factor 1.03] [--select REGEX]

Run it by the Python of an environment that has a wheel with kernels compiled ahead, and Numba
beside it: ``pip install 'numbanorm[jit]'``. Two processes take turns, and the least times of each
are compared. A case that looks slower is looked at again, in new processes: where a process's
memory lies moves a speed by a tenth for as long as it lives.
"""

import argparse
import re
import sys
from math import exp, log
from pathlib import Path

from commits import Worker

import numbanorm
from numbanorm.prebuilt import library

# Small, in the second cache and larger than all.
_IMAGES, _ROWS = ("2x32x4x4", "4x64x28x28", "32x64x56x56"), ("8x64", "257x768", "8192x1024")

# (norm, shape, layout, threads, mode, dtype), as `worker.py` knows them.
CASES = [
    (norm, shape, layout, threads, mode, dtype)
    for dtype in ("float32", "float64", "bfloat16", "float16")
    for norm, shapes, layouts, modes in (
        ("batch", _IMAGES, ("NCHW", "NHWC"), ("train", "eval", "backward")),
        ("instance", _IMAGES, ("NCHW", "NHWC"), ("train", "backward")),
        ("group", _IMAGES, ("NCHW", "NHWC"), ("train", "backward")),
        ("layer", _ROWS, ("NCHW",), ("train", "backward")),
        ("rms", _ROWS, ("NCHW",), ("train", "backward")),
    )
    for shape in shapes
    for layout in layouts
    for mode in modes
    for threads in (1, 2)
]

WAYS, TRIES = ("jit", "aot"), 3


def workers():
    """Return a process for each way, which must be the one that it uses."""
    if library.PATH is None or not library.PATH.exists():
        sys.exit(f"this installation must have {library.NAME}, and has none")
    tree = Path(numbanorm.__file__).parents[1]
    # Where asv's benchmarks keep theirs.
    folder = str(Path(sys.prefix) / "numbanorm-kernels")
    return {
        way: Worker(tree, {"NUMBA_CACHE_DIR": folder, "NUMBANORM_KERNELS": way}) for way in WAYS
    }


def close(pair):
    for worker in pair.values():
        worker.close()


def look(pair, case, rounds, least):
    """Lower the least seconds of each way to what is found now."""
    for worker in pair.values():
        worker.ask("case", *case)
    for i in range(rounds):
        for way in WAYS if i % 2 else WAYS[::-1]:
            least[way] = min(least[way], pair[way].ask("time"))


def compared(pair, case, rounds, factor):
    """Return the least seconds of each way, looking again where that of ahead is larger."""
    least = dict.fromkeys(WAYS, float("inf"))
    look(pair, case, rounds, least)
    for _ in range(TRIES - 1):
        if least["aot"] <= factor * least["jit"]:
            break
        fresh = workers()
        look(fresh, case, 2 * rounds, least)
        close(fresh)
    return least


def mean(ratios):
    """Return the geometric mean."""
    return exp(sum(map(log, ratios)) / len(ratios))


def main():
    """Print a line per case; the exit status is 1 if one takes longer by the factor."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--factor", type=float, default=1.03)
    parser.add_argument("--select", type=re.compile, default=re.compile(""))
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    chosen = [case for case in CASES if given.select.search(" ".join(map(str, case)))]
    pair, found = workers(), {}
    names = "norm, shape, layout, threads, mode, dtype"
    print(f"{names:52}{'jit, us':>10}{'ahead':>10}{'ratio':>7}")
    for case in chosen:
        least = compared(pair, case, given.rounds, given.factor)
        found[case] = ratio = least["aot"] / least["jit"]
        times = "".join(f"{least[way] * 1e6:10.1f}" for way in WAYS)
        mark = "  SLOWER" if ratio > given.factor else ""
        print(f"{' '.join(map(str, case)):52}{times}{ratio:7.3f}{mark}", flush=True)
    close(pair)
    for kind in dict.fromkeys(case[-1] for case in chosen):
        ratios = [ratio for case, ratio in found.items() if case[-1] == kind]
        print(f"{kind}: mean {mean(ratios):.3f}, from {min(ratios):.3f} to {max(ratios):.3f}")
    slower = sum(ratio > given.factor for ratio in found.values())
    print(f"{slower} of {len(chosen)} take longer than {given.factor} times Numba's time")
    return int(slower > 0)


if __name__ == "__main__":
    sys.exit(main())
