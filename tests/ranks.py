"""Ranks that are threads of this process, and data that is cut among them."""

import threading

import numpy as np

from numbanorm.layers.sync_batch_norm import SyncBatchNorm


class Threads:
    """A `Collective` for each of some threads."""

    def __init__(self, size):
        self.barrier, self.records, self.calls = (
            threading.Barrier(size, timeout=60),
            [None] * size,
            0,
        )

    def member(self, rank):
        return _Member(self, rank)


class _Member:
    def __init__(self, threads, rank):
        self._threads, self.rank = threads, rank

    def all_gather(self, record):
        everybody = self._threads
        everybody.records[self.rank] = record.copy()
        everybody.barrier.wait()
        found = np.stack(everybody.records)
        everybody.calls += self.rank == 0
        everybody.barrier.wait()
        return found


class Layer(SyncBatchNorm):
    """Batch norm over a collective, for images."""

    _ranks = (4,)

    def __init__(self, channels, collective, **options):
        super().__init__(channels, **options)
        self._collective = collective


def run(size, work):
    """Return what ``work(member)``, or its error, is on each rank, and the collectives it took."""
    threads, results = Threads(size), [None] * size

    def one(rank):
        try:
            results[rank] = work(threads.member(rank))
        except Exception as error:
            results[rank] = error

    workers = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results, threads.calls
