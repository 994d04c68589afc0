"""Mean and variance of 8 GB of pixels by worker processes that may have 1 GB of memory each.

    python examples/dask_statistics.py [--workers 2] [--gigabytes 8] [--dtype uint8]

needs ``pip install 'numbanorm[dask]' distributed``. The pixels are random and made chunk by chunk,
as others would be read from files. No worker holds more than a few chunks, and what workers send
each other is a `numbanorm.Moments` of each chunk.
"""

import argparse
import resource
import time

import dask
import dask.array as da
from distributed import LocalCluster

import numbanorm.dask

CHUNK = (256, 3, 256, 256)  # 50 MB of uint8, 201 MB of float32


def pixels(gigabytes, dtype):
    """Return a lazy array (N, 3, 256, 256) of random pixels."""
    images = int(gigabytes * 1e9 / da.zeros(CHUNK[1:], dtype=dtype).nbytes)
    rng, shape = da.random.default_rng(0), (images, *CHUNK[1:])
    if dtype == "uint8":
        return rng.integers(0, 256, shape, dtype=dtype, chunks=CHUNK)
    return rng.random(shape, dtype=dtype, chunks=(CHUNK[0] // 4, *CHUNK[1:]))


def peak():
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


def main():
    """Take the statistics, and say what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--gigabytes", type=float, default=8)
    parser.add_argument("--dtype", choices=["uint8", "float32"], default="uint8")
    args = parser.parse_args()
    x = pixels(args.gigabytes, args.dtype)
    print(f"{x.nbytes / 1e9:.1f} GB of {x.dtype}, {x.shape} in {x.npartitions} chunks")
    options = {"threads_per_worker": 1, "memory_limit": "1GB", "dashboard_address": None}
    with LocalCluster(n_workers=args.workers, **options) as cluster, cluster.get_client() as client:
        dask.compute(*numbanorm.dask.channel_mean_var(x[:8]))  # compiles, the first time
        before = client.run(peak)
        start = time.perf_counter()
        mean, var = dask.compute(*numbanorm.dask.channel_mean_var(x))
        seconds = time.perf_counter() - start
        print(f"mean {mean}\nvar  {var}")
        print(f"{seconds:.1f} s, {x.nbytes / 1e9 / seconds:.2f} GB/s, the making of x included")
        for name, most in client.run(peak).items():
            print(f"{name}: at most {most} MB, before {before[name]} MB")


if __name__ == "__main__":
    main()
