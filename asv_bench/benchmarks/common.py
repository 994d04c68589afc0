"""Inputs, kept for the next benchmark of the process, and timing of calls side by side."""

import time
from functools import lru_cache
from statistics import median

import numbanorm as nbn

from . import onednn
from .kinds import NORMS


@lru_cache(maxsize=2)
def inputs(norm, shape, layout, dtype="float32"):
    """Return the arrays of a norm and a shape; the last two are kept."""
    return NORMS[norm](shape, layout, dtype)


def side_by_side(candidates, seconds=0.4, least=5):
    """Return the median seconds of each of {name: callable}, called in turns, after a warm-up.

    In turns, so that a change of the machine's clock or load meets them all. A turn starts with a
    pause, for the threads of the one before to stop spinning (libgomp's do for up to 10 ms, on the
    cores that the next one needs), and with calls that are not counted, until the system has spread
    the threads over the cores again.
    """
    samples = {name: [] for name in candidates}
    repeats = {name: max(1, int(4e-3 / once(call))) for name, call in candidates.items()}
    end = time.perf_counter() + seconds * len(candidates)
    while time.perf_counter() < end or len(next(iter(samples.values()))) < least:
        for name, call in candidates.items():
            time.sleep(0.015)
            awake = time.perf_counter() + 0.015
            call()
            while time.perf_counter() < awake:
                call()
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            samples[name].append((time.perf_counter() - start) / repeats[name])
    return {name: median(values) for name, values in samples.items()}


def measured(norm, shape, layout, threads, mode):
    """Return {peer: its time divided by ours}, of the peers that are installed and can do it."""
    nbn.set_num_threads(threads)
    data = inputs(norm, shape, layout)
    calls = {"ours": data.ours(mode), "numpy": data.plain(mode)}
    calls |= data.limits(mode)
    calls |= {"torch": data.peer(data.torch, mode), "onnxruntime": data.peer(data.onnx, mode)}
    calls["onednn"] = onednn.call(norm, data.shape, layout, mode)
    times = limited(side_by_side({k: call for k, call in calls.items() if call}, seconds=0.2))
    return {name: taken / times["ours"] for name, taken in times.items() if name != "ours"}


def limited(times):
    """Return the times with the faster of a call's limits (`Norm.limits`) as "memory"."""
    memory = min(times.pop("past the caches"), times.pop("cached"))
    return {**times, "memory": memory}


def once(call):
    """Return the seconds of a second call."""
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
