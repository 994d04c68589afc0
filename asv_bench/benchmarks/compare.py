"""Print a table: our time, and those of memory alone and of peers divided by it, measured in turn.

python asv_bench/benchmarks/compare.py [--norm NAME] [--threads N] [--dtype NAME]
    [--shapes 32x64x56x56,...]
"""

import argparse
import math
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

COLUMNS = ["memory", "torch", "ort", "oneDNN"]


def table(norm, shapes, onednn, dtype):
    """Print a line per shape, layout and mode, then the geometric means of each."""
    from benchmarks.common import NORMS, inputs, limited, side_by_side

    kind, means = NORMS[norm], {}
    header = " ".join(f"{name:>7}" for name in COLUMNS)
    print(f"{norm + ' norm':15} {'layout':6} {'mode':8} {'us':>9} {header}")
    for name in shapes or kind.shapes:
        for layout in kind.layouts:
            data = inputs(norm, name, layout, dtype)
            peer = onednn.calls(data.shape, layout) if onednn and norm == "batch" else {}
            others = {"torch": data.torch, "ort": data.onnx, "oneDNN": peer.get}
            # Of the peers only PyTorch mixes 16-bit x with float32 parameters.
            others = others if dtype == "float32" else {"torch": data.torch}
            for mode in kind.modes:
                calls = {"ours": data.ours(mode), **data.limits(mode)}
                calls |= {k: call for k, find in others.items() if (call := find(mode))}
                times = limited(side_by_side(calls))
                ours = times["ours"]
                row = [times.get(k, math.nan) / ours for k in COLUMNS]
                means.setdefault((layout, mode), []).append((data.x.nbytes, row))
                figures = " ".join(f"{r:7.2f}" for r in row)
                print(f"{name:15} {layout:6} {mode:8} {ours * 1e6:9.1f} {figures}", flush=True)
    print("\ngeometric means (memory: arrays of 16 MB and more, then smaller; peer: the best each)")
    for (layout, mode), rows in means.items():
        large = geometric([r[0] for size, r in rows if size >= 16e6])
        small = geometric([r[0] for size, r in rows if size < 16e6])
        best = [min((v for v in r[1:] if not math.isnan(v)), default=math.nan) for _, r in rows]
        torch = geometric([r[1] for _, r in rows])
        print(
            f"{norm:8} {layout:6} {mode:8} memory {large:5.2f} {small:5.2f}  torch {torch:5.2f}"
            f"  best peer {geometric(best):5.2f}  worst case {min(best):5.2f}"
        )


def geometric(values):
    """Return the geometric mean, NaN for none."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--norm", default="batch")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--shapes", type=lambda text: text.split(","), default=[])
    parser.add_argument("--dtype", default="float32", help="float16 and bfloat16 too")
    arguments = parser.parse_args()
    # oneDNN, Numba and PyTorch read it when they are loaded.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import numbanorm as nbn
    from benchmarks import onednn

    nbn.set_num_threads(arguments.threads)
    print(f"{arguments.threads} threads")
    library = onednn.load() if (arguments.norm, arguments.dtype) == ("batch", "float32") else None
    if arguments.dtype == "bfloat16":
        import ml_dtypes  # noqa: F401
    table(arguments.norm, arguments.shapes, library, arguments.dtype)


if __name__ == "__main__":
    main()
