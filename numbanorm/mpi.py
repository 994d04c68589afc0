"""Statistics and batch norm over the ranks of an MPI communicator; needs mpi4py.

Examples
--------
``mpiexec -n 4 python train.py``, where each rank has its own part of the data::

    >>> import numpy as np
    >>> import numbanorm as nbn
    >>> from mpi4py import MPI
    >>> from numbanorm import mpi
    >>> mine = nbn.Moments.of(np.ones((8, 3, 4, 4), np.float32))
    >>> mpi.allreduce(mine, MPI.COMM_WORLD).count // MPI.COMM_WORLD.size
    array([128, 128, 128])
    >>> layer = mpi.SyncBatchNorm2d(3)
    >>> layer(np.ones((2, 3, 4, 4), np.float32)).shape
    (2, 3, 4, 4)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from numbanorm.collective import exchange
from numbanorm.layers.sync_batch_norm import SyncBatchNorm
from numbanorm.moments import Moments

try:
    from mpi4py import MPI
except ImportError as error:
    raise ImportError(
        f"numbanorm.mpi needs mpi4py, and an MPI ({error}): pip install 'numbanorm[mpi]'"
    ) from error

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from numbanorm._types import Layout

__all__ = ["SyncBatchNorm1d", "SyncBatchNorm2d", "SyncBatchNorm3d", "allreduce"]


class _Communicator:
    """The ranks of a communicator, as a `numbanorm.collective.Collective`."""

    def __init__(self, comm: MPI.Intracomm) -> None:
        if not isinstance(comm, MPI.Intracomm):
            raise TypeError(f"comm must be an MPI.Intracomm, got {type(comm).__name__}")
        self.comm = comm

    def all_gather(self, record: NDArray[np.uint8]) -> NDArray[np.uint8]:
        found = np.empty((self.comm.size, len(record)), np.uint8)
        self.comm.Allgather([record, MPI.BYTE], [found, MPI.BYTE])
        return found

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return the same: copies of a layer speak to the same ranks."""
        return self


def allreduce(moments: Moments, comm: MPI.Intracomm) -> Moments:
    """Return the moments of all ranks' values, with the same bits on all ranks.

    Two collective operations: how many channels there are, and the moments, which each rank merges
    in the order of ranks.

    Parameters
    ----------
    moments : Moments
        Of this rank; of nothing, ``Moments()``, where it has no sample.
    comm : mpi4py.MPI.Intracomm
        All its ranks must call this.

    Returns
    -------
    Moments
        New ones.

    Raises
    ------
    ValueError
        If ranks have different numbers of channels.
    TypeError
        If an argument is of another type.
    RuntimeError
        If an argument is wrong on another rank.
    """
    ranks = _Communicator(comm)

    def channels() -> NDArray[Any]:
        if not isinstance(moments, Moments):
            raise TypeError(f"moments must be Moments, got {type(moments).__name__}")
        return np.array([len(moments.count)])

    size = int(exchange(ranks, 1, channels).max())

    def numbers() -> NDArray[Any]:
        known = None if len(moments.count) else size
        # Integers, as bits: float64s would not hold them all.
        return np.concatenate([array.ravel().view(np.float64) for array in moments.arrays(known)])

    found = exchange(ranks, 2 + 9 * size, numbers)
    return Moments.merged(map(_moments, found))


def _moments(record: NDArray[Any]) -> Moments:
    """Return the moments of a rank from its record."""
    channels = (len(record) - 2) // 9
    count, sums = record[:2].view(np.int64), record[2 : 2 + 4 * channels].view(np.int64)
    return Moments.from_arrays(count, sums, record[2 + 4 * channels :])


class _MPIBatchNorm(SyncBatchNorm):
    """Batch norm over the ranks of a communicator."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        layout: Layout = "NCHW",
        dtype: DTypeLike = np.float32,
        comm: MPI.Intracomm = MPI.COMM_WORLD,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, layout=layout, dtype=dtype
        )
        self._collective = _Communicator(comm)


class SyncBatchNorm1d(_MPIBatchNorm):
    """`numbanorm.BatchNorm1d` over the samples of all ranks.

    The parameters are that one's, and ``comm``, an mpi4py communicator whose ranks all call the
    layer; see `numbanorm.layers.sync_batch_norm.SyncBatchNorm`.

    Examples
    --------
    >>> import numpy as np
    >>> from numbanorm import mpi
    >>> layer = mpi.SyncBatchNorm1d(3)
    >>> layer
    SyncBatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    >>> layer.backward(layer(np.ones((4, 3), np.float32))).shape
    (4, 3)
    """

    _ranks = (2, 3)


class SyncBatchNorm2d(_MPIBatchNorm):
    """`numbanorm.BatchNorm2d` over the samples of all ranks; see `SyncBatchNorm1d`."""

    _ranks = (4,)


class SyncBatchNorm3d(_MPIBatchNorm):
    """`numbanorm.BatchNorm3d` over the samples of all ranks; see `SyncBatchNorm1d`."""

    _ranks = (5,)
