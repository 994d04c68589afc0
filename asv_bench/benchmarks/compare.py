"""Print a table: our time, and copy, PyTorch and oneDNN times divided by it, measured in turn.

python asv_bench/benchmarks/compare.py [--threads N] [--shapes small|full]
"""

import argparse
import math
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

SMALL = ["32x1024x14x14", "20x100x35x45", "1x64x56x56"]


def table(names, onednn):
    """Print a line per shape, layout and mode, then the geometric means of each."""
    from benchmarks.common import LAYOUTS, MODES, SHAPES, STREAMS, inputs, ratios

    means = {}
    print(f"{'shape':15} {'layout':6} {'mode':8} {'us':>9} {'copy':>6} {'torch':>6} {'oneDNN':>6}")
    for name in names:
        for layout in LAYOUTS:
            data = inputs(name, layout)
            peer = onednn.calls(SHAPES[name], layout) if onednn else {}
            for mode in MODES:
                calls = {"ours": data.ours(mode), "copy": data.copy()}
                peers = {"torch": data.torch(mode), "oneDNN": peer.get(mode)}
                calls |= {k: v for k, v in peers.items() if v}
                times = ratios(calls)
                times["copy"] *= STREAMS[mode]
                ours = times["ours"]
                row = [times.get(k, math.nan) / ours for k in ("copy", "torch", "oneDNN")]
                means.setdefault((layout, mode), []).append((data.x.nbytes, row))
                figures = " ".join(f"{r:6.2f}" for r in row)
                print(f"{name:15} {layout:6} {mode:8} {ours * 1e6:9.1f} {figures}", flush=True)
    print("\ngeometric means (copy: arrays of 16 MB and more; peer: the best of them on each case)")
    for (layout, mode), rows in means.items():
        large = [r[0] for size, r in rows if size >= 16e6]
        best = [min((v for v in r[1:] if not math.isnan(v)), default=math.nan) for _, r in rows]
        print(
            f"{layout:6} {mode:8} copy {geometric(large):5.2f}  peer {geometric(best):5.2f}"
            f"  worst case {min(best):5.2f}"
        )


def geometric(values):
    """Return the geometric mean, NaN for none."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--shapes", choices=["small", "full"], default="full")
    arguments = parser.parse_args()
    # oneDNN, Numba and PyTorch read it when they are loaded.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import numbanorm as nbn
    from benchmarks import onednn
    from benchmarks.common import SHAPES

    nbn.set_num_threads(arguments.threads)
    table(SMALL if arguments.shapes == "small" else [*SHAPES], onednn.load())


if __name__ == "__main__":
    main()
