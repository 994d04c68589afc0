"""Decoded images to a network's input: uint8 NHWC to float32 in both layouts.

Also a program that prints a table: python asv_bench/benchmarks/images.py [--threads N]
"""

import argparse
import os
import sys
from functools import lru_cache
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    __package__ = "benchmarks"

import numbanorm as nbn

from .common import limited, side_by_side
from .pixels import Pixels

SHAPES = {"64x224x224x3": (64, 224, 224, 3), "1x1080x1920x3": (1, 1080, 1920, 3)}
LAYOUTS, ALL = ["NCHW", "NHWC"], os.cpu_count()
NAMES = ["shape", "to", "threads"]
PEERS = {
    "memory": "memory's time / time",
    "numpy": "NumPy time / time",
    "torch": "PyTorch time / time",
    "cv2": "OpenCV time / time",
    "albucore": "albucore time / time",
    "kornia": "kornia-rs time / time",
}


@lru_cache(maxsize=2)
def pixels(shape, to):
    return Pixels(SHAPES[shape], to)


def measured(shape, to, threads):
    """Return {peer: its time divided by ours}, and ours in seconds as "ours"."""
    nbn.set_num_threads(threads)
    times = limited(side_by_side(pixels(shape, to).calls(), seconds=0.3))
    ours = times.pop("ours")
    return {"ours": ours, **{name: taken / ours for name, taken in times.items()}}


class Time:
    """Time per call with the result array given."""

    params, param_names = (list(SHAPES), LAYOUTS, sorted({1, ALL})), NAMES

    def setup(self, shape, to, threads):
        nbn.set_num_threads(threads)
        self.call = pixels(shape, to).ours()
        self.call()

    def time_call(self, shape, to, threads):
        self.call()


class Ratio:
    """Times of others divided by ours: above 1, we are faster."""

    params, param_names = (list(SHAPES), LAYOUTS, [ALL]), NAMES
    timeout = 300

    def setup_cache(self):
        return {(shape, to, ALL): measured(shape, to, ALL) for shape in SHAPES for to in LAYOUTS}


def _tracker(peer):
    def track(self, found, *case):
        return found[case].get(peer, float("nan"))

    track.unit, track.__name__ = PEERS[peer], f"track_{peer}"
    return track


for _peer in PEERS:
    setattr(Ratio, f"track_{_peer}", _tracker(_peer))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=ALL)
    threads = parser.parse_args().threads
    print(f"{threads} threads; others' time / ours\n{'':23}{'ms':>8}", *(f"{p:>9}" for p in PEERS))
    for shape in SHAPES:
        for to in LAYOUTS:
            found = measured(shape, to, threads)
            row = " ".join(f"{found.get(peer, float('nan')):9.2f}" for peer in PEERS)
            print(f"{shape:15} {to:7}{found['ours'] * 1e3:8.2f} {row}", flush=True)


if __name__ == "__main__":
    main()
