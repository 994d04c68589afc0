"""What every rank does in `test_mpi`: ``mpiexec -n N python mpi_program.py``.

The first rank prints a line for each if all is well.
"""

import hashlib
import pickle
import sys

import numpy as np
from mpi4py import MPI

import numbanorm as nbn
from numbanorm import mpi

comm = MPI.COMM_WORLD


def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def same_everywhere(*arrays):
    found = comm.allgather(digest(*arrays))
    assert len(set(found)) == 1, found


def mine(x):
    """Return this rank's part of a batch; the last of several has none."""
    parts = max(1, comm.size - 1)
    return np.array_split(x, parts)[comm.rank] if comm.rank < parts else x[:0]


def moments():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 65536, (40, 3, 5, 5), dtype=np.uint16)
    own = nbn.Moments.of(mine(pixels)) if len(mine(pixels)) else nbn.Moments()
    found = mpi.allreduce(own, comm)
    assert found == nbn.Moments.of(pixels)
    numbers = rng.normal(1e6, 1.0, (40, 3, 5, 5))
    found, whole = mpi.allreduce(nbn.Moments.of(mine(numbers)), comm), nbn.Moments.of(numbers)
    np.testing.assert_allclose(found.mean, whole.mean, 1e-14)
    np.testing.assert_allclose(found.var(), whole.var(), 1e-9)
    np.testing.assert_array_equal(found.min, numbers.min((0, 2, 3)))
    same_everywhere(*found.arrays())
    assert mpi.allreduce(nbn.Moments(), comm) == nbn.Moments()


def errors():
    """An error on one rank is one on all, and what follows finds all in step."""
    for wrong, right in (
        (nbn.Moments.of(np.ones((2, 4))), nbn.Moments.of(np.ones((2, 3)))),
        (7, nbn.Moments()),
    ):
        try:
            mpi.allreduce(wrong if comm.rank == 0 else right, comm)
        except (ValueError, TypeError, RuntimeError) as error:
            assert comm.rank == 0 or isinstance(error, (ValueError, RuntimeError))
        else:
            assert comm.size == 1 and wrong != 7
    layer = mpi.SyncBatchNorm1d(3)
    try:
        layer(np.ones((4, 3 + (comm.rank == comm.size - 1)), np.float32))
    except (ValueError, RuntimeError):
        pass
    else:
        raise AssertionError("all ranks must fail")
    comm.Barrier()


def batch_norm():
    rng = np.random.default_rng(1)
    x, dy = rng.normal(2.0, 3.0, (2, 30, 5, 4, 4)).astype(np.float32)
    layer, whole = mpi.SyncBatchNorm2d(5, comm=comm), nbn.BatchNorm2d(5)
    layer.weight[:] = whole.weight[:] = np.arange(5)
    for _ in range(3):
        y, dx = layer(mine(x)), layer.backward(mine(dy))
        want, gradient = whole(x), whole.backward(dy)
        np.testing.assert_allclose(y, mine(want), 1e-5, 1e-5)
        np.testing.assert_allclose(dx, mine(gradient), 1e-5, 1e-5)
    for name, value in whole.gradients().items():
        np.testing.assert_allclose(layer.gradients()[name], value, 1e-5, 1e-4)
    for name, value in whole.state_dict().items():
        np.testing.assert_allclose(layer.state_dict()[name], value, 1e-6, 1e-6)
    same_everywhere(*layer.state_dict().values(), *layer.gradients().values())
    again = pickle.loads(pickle.dumps(layer)).astype(np.float64)
    assert again(mine(x).astype(np.float64)).dtype == np.float64


moments()
errors()
batch_norm()
lines = comm.gather(f"rank {comm.rank} of {comm.size}")
if comm.rank == 0:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
