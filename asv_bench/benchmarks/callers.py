"""Several callers at once, and neighbours that want the same cores: ratios to one caller alone."""

import os
import subprocess
import sys
import threading
import time
from statistics import median

import numbanorm as nbn

from .common import inputs

SHAPES = ["2x3x8x8", "8x64x56x56"]


def calls_a_second(call, threads, seconds=1.0):
    """Return how many calls so many Python threads make, together, in a second."""
    counts, end = [0] * threads, time.perf_counter() + seconds

    def work(number):
        while time.perf_counter() < end:
            call()
            counts[number] += 1

    workers = [threading.Thread(target=work, args=[number]) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / seconds


class Callers:
    """Eight Python threads that call at once, and one."""

    params, param_names = (SHAPES,), ["shape"]

    def setup(self, shape):
        nbn.set_num_threads(os.cpu_count())
        x = inputs("batch", shape, "NCHW").x
        self.call = lambda: nbn.batch_norm(x, training=True)
        self.call()

    def track_throughput(self, shape):
        turns = [[calls_a_second(self.call, count) for count in (8, 1)] for _ in range(5)]
        return median(eight / one for eight, one in turns)

    track_throughput.unit = "calls of eight threads for one of one"


class Neighbours:
    """A caller beside processes that compute on every core, and alone."""

    params, param_names = (SHAPES[1:],), ["shape"]
    setup = Callers.setup

    def track_slowdown(self, shape):
        alone = self.typical()
        busy = [
            subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(os.cpu_count())
        ]
        try:
            return self.typical() / alone
        finally:
            for process in busy:
                process.kill()
                process.wait()

    track_slowdown.unit = "times as long as alone"

    def typical(self):
        times = []
        for _ in range(200):
            start = time.perf_counter()
            self.call()
            times.append(time.perf_counter() - start)
        return median(times)
