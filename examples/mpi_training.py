"""Training with batch norm over all ranks, and a data set's statistics: under MPI, or alone.

Run ``mpiexec -n 4 python examples/mpi_training.py``. Each rank has its own part of the data, of
another size. All ranks end with the same statistics, to the last bit, and print a digest of them.
"""

import hashlib

import numpy as np
from mpi4py import MPI

import numbanorm as nbn
from numbanorm import mpi


def digest(*arrays):
    """Return some characters that tell whether ranks have the same bits."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:12]


def main():
    """Find the statistics of all ranks' images, and train a layer for some steps."""
    comm = MPI.COMM_WORLD
    rng = np.random.default_rng(comm.rank)
    images = rng.integers(0, 256, (100 + 10 * comm.rank, 32, 32, 3), np.uint8)
    moments = mpi.allreduce(nbn.Moments.of(images, layout="NHWC"), comm)

    layer = mpi.SyncBatchNorm2d(3, comm=comm)
    for step in range(5):
        batch = images[step * 16 : step * 16 + 16]
        x = nbn.normalize_images(batch, moments.mean / 255, moments.std() / 255, to="NCHW")
        y = layer(x)
        layer.backward(y - 0.1)
        # Sums over all ranks already: every rank takes the same step.
        for name, gradient in layer.gradients().items():
            layer.parameters()[name] -= 1e-6 * gradient

    found = digest(*moments.arrays()), digest(*layer.state_dict().values())
    for rank, (first, second) in enumerate(comm.gather(found) or []):
        print(f"rank {rank}: {moments.count[0]} pixels; moments {first}, layer {second}")


if __name__ == "__main__":
    main()
