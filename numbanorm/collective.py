"""What processes that share a batch tell each other: one small interface, and errors for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from numbanorm.calls import summaries
from numbanorm.calls.summaries import Summary
from numbanorm.plan.summary import LEAST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

# A record begins with its status, and has room for an error's message.
_HEAD, _ROOM = 8, 256
_OK, _FAILED = 0, 1


class Collective(Protocol):
    """Processes, each with a rank, that exchange records: by MPI, gloo, pipes or whatever else."""

    def all_gather(self, record: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the records of all ranks, (ranks, bytes), in the order of ranks.

        All ranks call it, each with as many bytes.
        """


def exchange(collective: Collective, size: int, make: Callable[[], Array]) -> Array:
    """Return what `make` returns on each rank, `size` float64s, as (ranks, size), by one call.

    Where it raises, on whatever rank, it is an error on all: this rank's own, or RuntimeError.
    """
    record = np.zeros(_HEAD + max(8 * size, _ROOM), np.uint8)
    failure: Exception | None = None
    try:
        record[_HEAD : _HEAD + 8 * size] = np.ascontiguousarray(make(), np.float64).view(np.uint8)
    except Exception as error:
        failure = error
        record[0] = _FAILED
        said = f"{type(error).__name__}: {error}".encode()[: len(record) - _HEAD]
        record[_HEAD:] = 0
        record[_HEAD : _HEAD + len(said)] = np.frombuffer(said, np.uint8)
    found = collective.all_gather(record)
    if failure is not None:
        raise failure
    for rank, status in enumerate(found[:, 0].tolist()):
        if status != _OK:
            text = found[rank, _HEAD:].tobytes().rstrip(b"\0").decode(errors="replace")
            raise RuntimeError(f"all ranks must have valid input, rank {rank} failed: {text}")
    return np.ascontiguousarray(found[:, _HEAD : _HEAD + 8 * size]).view(np.float64)


def merged(collective: Collective, channels: int, find: Callable[[], Summary]) -> Summary:
    """Return the summary of all ranks' floats, without extremes, merged in the order of ranks.

    ``find()`` returns that of this rank.
    """

    def record() -> Array:
        found = find()
        return np.concatenate([[found.total], found.values[:LEAST].ravel()])

    return summaries.of_records(exchange(collective, 3 * channels + 1, record), channels)


def added(collective: Collective, shape: tuple[int, ...], find: Callable[[], Array]) -> Array:
    """Return the sum of all ranks' arrays, added in the order of ranks."""
    total = np.zeros(shape)
    for one in exchange(collective, total.size, lambda: find().ravel()):
        total += one.reshape(shape)
    return total
