"""The running average of batch norm against the exact statistics of a data set.

Run ``python examples/exact_statistics.py``. Batch norm's running statistics are an average over
batches, weighted towards the last ones; `BatchNorm.set_statistics` puts those of the whole data set
in their place. Printed is how far either are from the truth, and what inference makes of that.
"""

import numpy as np

import numbanorm as nbn


def batches(x, size):
    """Yield the rows of x, some at a time."""
    for i in range(0, len(x), size):
        yield x[i : i + size]


def main():
    """Print how far both kinds of statistics, and the results by them, are from the truth."""
    rng = np.random.default_rng(0)
    # A data set in the order in which it was recorded: it drifts, as those do.
    drift = np.linspace(0.0, 1.0, 20_000)[:, np.newaxis]
    x = (rng.normal(5.0, 2.0, (20_000, 16)) + drift).astype(np.float32)
    layer = nbn.BatchNorm1d(16)
    for batch in batches(x, 50):
        layer(batch)
    layer.eval()

    moments = nbn.Moments()
    for batch in batches(x, 50):
        moments.update(batch)
    mean, std = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
    print(f"{'':24}{'mean off by':>14}{'std off by':>14}{'results off by':>16}   (deviations)")
    exact = (x - mean) / std
    for name in ("average over batches", "the whole data set"):
        if name == "the whole data set":
            layer.set_statistics(moments)
        off = np.abs(layer.running_mean - mean) / std
        wide = np.abs(np.sqrt(layer.running_var) - std) / std
        result = np.abs(layer(x) - exact).max()
        print(f"{name:24}{off.max():14.2g}{wide.max():14.2g}{result:16.2g}")


if __name__ == "__main__":
    main()
