"""The two classes of a norm, which its own file gives to asv: times, and ratios within one run.

asv starts a process for each combination of parameters, which loads compiled kernels from the cache
(or compiles them, the first time for a commit) in `setup`, where the call that is timed is made
once: with --quick, asv warms nothing up. asv runs `setup` again before each sample, so inputs are
kept (`common.inputs`).
"""

import os

import numbanorm as nbn

from .common import NORMS, inputs, measured

PEERS = ("memory", "numpy", "torch", "onnxruntime", "onednn")
UNITS = {
    "memory": "copy or stream time / time",
    "numpy": "NumPy time / time",
    "torch": "PyTorch time / time",
    "onnxruntime": "ONNX Runtime time / time",
    "onednn": "oneDNN time / time",
}
ALL = os.cpu_count()
NAMES = ["shape", "layout", "threads", "mode"]


def times(norm, shapes):
    """Return the class of a norm's times: with one thread and with all."""
    kind = NORMS[norm]

    class Time:
        """Time per call with the result array given."""

        params, param_names = (shapes, kind.layouts, sorted({1, ALL}), kind.modes), NAMES

        def setup(self, shape, layout, threads, mode):
            nbn.set_num_threads(threads)
            self.call = inputs(norm, shape, layout).ours(mode)
            self.call()

        def time_call(self, shape, layout, threads, mode):
            self.call()

    return Time


def ratios(norm, shapes, threads=(ALL,)):
    """Return the class of a norm's ratios: others' time divided by ours, measured in turn.

    asv keeps what `setup_cache` returns under its file and line, so each norm has one of its own.
    """
    kind = NORMS[norm]

    class Ratio:
        """Times of others divided by ours: above 1, we are faster."""

        params, param_names = (shapes, kind.layouts, list(threads), kind.modes), NAMES
        timeout = 300

        def measure(self):
            """Measure everything once, in one process, for all figures: what `setup_cache` does."""
            return {
                (shape, layout, count, mode): measured(norm, shape, layout, count, mode)
                for shape in shapes
                for layout in kind.layouts
                for count in threads
                for mode in kind.modes
            }

    for peer in PEERS:
        setattr(Ratio, f"track_{peer}", _tracker(peer))
    return Ratio


def _tracker(peer):
    def track(self, found, *case):
        return found[case].get(peer, float("nan"))

    track.unit = UNITS[peer]
    track.__name__ = f"track_{peer}"
    return track
