"""Cached inputs, and timing of several candidates side by side."""

import time
from functools import lru_cache
from statistics import median

import numpy as np

import numbanorm as nbn

# ResNet-50's batch norms, the article's example, images, one sample, and a channel count that is
# no multiple of 16. N, C, H, W.
SHAPES = {
    "32x64x112x112": (32, 64, 112, 112),
    "32x64x56x56": (32, 64, 56, 56),
    "32x256x56x56": (32, 256, 56, 56),
    "32x512x28x28": (32, 512, 28, 28),
    "32x1024x14x14": (32, 1024, 14, 14),
    "32x2048x7x7": (32, 2048, 7, 7),
    "20x100x35x45": (20, 100, 35, 45),
    "16x3x224x224": (16, 3, 224, 224),
    "1x64x56x56": (1, 64, 56, 56),
    "256x2048x1x1": (256, 2048, 1, 1),
}
LAYOUTS = ["NCHW", "NHWC"]
MODES = ["train", "eval", "backward"]


def aligned(shape, fill=None):
    """Return a float32 array on a 64-byte boundary whose pages are there already."""
    size = int(np.prod(shape))
    buffer = np.zeros(size + 16, np.float32)
    start = (-buffer.ctypes.data % 64) // 4
    x = buffer[start : start + size].reshape(shape)
    x[...] = 0 if fill is None else np.resize(fill, shape)
    return x


class Inputs:
    """All arrays of one shape and layout, and our calls on them with the result given."""

    def __init__(self, shape, layout):
        n, c, h, w = shape
        self.shape, self.layout = shape, layout
        arranged = shape if layout == "NCHW" else (n, h, w, c)
        some = np.random.default_rng(0).standard_normal(999_983).astype(np.float32)
        self.x, self.dy = aligned(arranged, some), aligned(arranged, some[::-1])
        self.y = aligned(arranged)
        self.weight, self.bias = np.full(c, 1.5, np.float32), np.full(c, 0.5, np.float32)
        self.running = np.zeros(c, np.float32), np.ones(c, np.float32)
        _, self.mean, self.rstd = self.ours("train", return_stats=True)()

    def ours(self, mode, **more):
        """Return our call of a mode."""
        if mode == "backward":
            return lambda: nbn.batch_norm_backward(
                self.dy, self.x, self.mean, self.rstd, self.weight, layout=self.layout, out=self.y
            )
        return lambda: nbn.batch_norm(
            self.x,
            *self.running,
            self.weight,
            self.bias,
            mode == "train",
            layout=self.layout,
            out=self.y,
            **more,
        )

    def copy(self):
        """Return a copy of an array of x's size past the caches: one read and one write."""
        from numbanorm import _run

        x, y = self.x.reshape(-1), self.y.reshape(-1)
        return lambda: _run.copy(y, x)

    def torch(self, mode):
        """Return PyTorch's call of a mode with its results preallocated, or None."""
        try:
            import torch
        except ImportError:
            return None
        torch.set_num_threads(nbn.get_num_threads())
        op = torch.ops.aten

        def tensor(a):
            t = torch.from_numpy(a)
            return t.permute(0, 3, 1, 2) if self.layout == "NHWC" and t.ndim == 4 else t

        x, dy, y = tensor(self.x), tensor(self.dy), tensor(self.y)
        weight, bias = tensor(self.weight), tensor(self.bias)
        mean, var = (torch.from_numpy(a.copy()) for a in self.running)
        saved = [torch.from_numpy(a.copy()) for a in (self.mean, self.rstd)]
        grads = [torch.empty_like(weight), torch.empty_like(bias)]
        if mode == "backward":
            return lambda: op.native_batch_norm_backward.out(
                dy,
                x,
                weight,
                mean,
                var,
                *saved,
                True,
                1e-5,
                [True] * 3,
                out0=y,
                out1=grads[0],
                out2=grads[1],
            )
        # PyTorch sizes the saved statistics itself: none in eval mode.
        saved = saved if mode == "train" else [torch.empty(0), torch.empty(0)]
        return lambda: op.native_batch_norm.out(
            x,
            weight,
            bias,
            mean,
            var,
            mode == "train",
            0.1,
            1e-5,
            out=y,
            save_mean=saved[0],
            save_invstd=saved[1],
        )


@lru_cache(maxsize=2)
def inputs(name, layout):
    """Return the arrays of a shape by name; the last two are kept."""
    return Inputs(SHAPES[name], layout)


def ratios(candidates, seconds=0.4, least=5):
    """Return the median seconds of each of {name: callable}, called in turns, after a warm-up.

    In turns, so that a change of the machine's clock or load meets them all. A turn starts with a
    pause, for the threads of the one before to stop spinning (libgomp's do for milliseconds, on the
    cores that the next one needs), and a call that is not counted.
    """
    samples = {name: [] for name in candidates}
    repeats = {name: max(1, int(2e-3 / once(call))) for name, call in candidates.items()}
    end = time.perf_counter() + seconds * len(candidates)
    while time.perf_counter() < end or len(next(iter(samples.values()))) < least:
        for name, call in candidates.items():
            time.sleep(0.005)
            call()
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            samples[name].append((time.perf_counter() - start) / repeats[name])
    return {name: median(values) for name, values in samples.items()}


def once(call):
    """Return the seconds of a second call."""
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# What `track_copy` compares with: for backward a stream of two reads and one write.
STREAMS = {"train": 1.0, "eval": 1.0, "backward": 1.5}
