"""Decoded images to a network's input, as each library does it; no other file knows how.

Results are preallocated where a library can be given them. Each returns float32 of
(x / 255 - mean) / std: a peer is checked against NumPy before it is timed.
"""

from functools import partial

import numpy as np

import numbanorm as nbn

MEAN, STD = np.array(nbn.IMAGENET_MEAN, np.float32), np.array(nbn.IMAGENET_STD, np.float32)


class Pixels:
    """uint8 images in NHWC, and calls that bring them to a layout."""

    def __init__(self, shape, to):
        n, h, w, c = self.shape = shape
        self.to, rng = to, np.random.default_rng(0)
        self.x = rng.integers(0, 256, shape, np.uint8, endpoint=False)
        self.y = np.zeros(shape if to == "NHWC" else (n, c, h, w), np.float32)

    def calls(self):
        """Return {name: call} of all that are installed."""
        found = {"ours": self.ours(), **self.limits(), "numpy": self.numpy()}
        for name in ("torch", "cv2", "albucore", "kornia"):
            try:
                call = getattr(self, name)()
            except ImportError:
                continue
            if call is not None:
                self.check(name, call)
                found[name] = call
        return found

    def check(self, name, call):
        """Stop where a peer computes something else."""
        wanted, found = self.wanted(), call()
        found = self.y if found is None else np.asarray(found)
        worst = np.abs(found.reshape(wanted.shape) - wanted).max()
        if worst > 1e-4:
            raise ValueError(f"{name} is off by {worst}")

    def wanted(self):
        y = (self.x / 255.0 - MEAN) / STD
        return y if self.to == "NHWC" else y.transpose(0, 3, 1, 2)

    def ours(self):
        given = self.x, nbn.IMAGENET_MEAN, nbn.IMAGENET_STD
        return lambda: nbn.normalize_images(*given, to=self.to, out=self.y)

    def limits(self):
        """Return what memory allows: each byte read and converted, each float written."""
        from numbanorm.calls.operations import copy

        flat = self.y.reshape(-1), self.x.reshape(-1)
        return {
            name: partial(copy, *flat, streamed=streamed)
            for name, streamed in (("past the caches", True), ("cached", False))
        }

    def numpy(self):
        """Return what people write."""
        if self.to == "NHWC":
            return lambda: (self.x.astype(np.float32) / 255 - MEAN) / STD

        def call():
            y = (self.x.astype(np.float32) / 255 - MEAN) / STD
            return np.ascontiguousarray(y.transpose(0, 3, 1, 2))

        return call

    def torch(self):
        """Return two operations into one buffer: the fastest of PyTorch's ways."""
        import torch

        torch.set_num_threads(nbn.get_num_threads())
        x, y = torch.from_numpy(self.x), torch.from_numpy(self.y)
        # The formula's two steps, folded.
        scale, offset = torch.from_numpy(1 / (255 * STD)), torch.from_numpy(-MEAN / STD)
        if self.to == "NCHW":
            x, scale, offset = x.permute(0, 3, 1, 2), scale.view(3, 1, 1), offset.view(3, 1, 1)

        def call():
            torch.mul(x, scale, out=y)
            y.add_(offset)

        return call

    def cv2(self):
        """Return OpenCV's: one blob, scaled after; a table for pixels side by side."""
        import cv2

        cv2.setNumThreads(nbn.get_num_threads())
        if self.to == "NHWC":
            values = np.arange(256)[:, None] / 255.0
            table = ((values - MEAN) / STD).astype(np.float32).reshape(256, 1, 3)
            return lambda: [cv2.LUT(one, table, out) for one, out in zip(self.x, self.y)] and None
        images, wide = list(self.x), (3, 1, 1)
        mean = [float(255 * value) for value in MEAN]
        factor = (1 / (255 * STD)).reshape(wide)

        def call():
            blob = cv2.dnn.blobFromImages(images, 1.0, mean=mean)
            return np.multiply(blob, factor, out=blob)

        return call

    def albucore(self):
        import albucore

        if self.to == "NCHW":
            return None
        mean, factor = 255 * MEAN, 1 / (255 * STD)
        return lambda: [albucore.normalize(one, mean, factor) for one in self.x]

    def kornia(self):
        from kornia_rs import imgproc

        if self.to == "NCHW":
            return None
        mean, std = (255 * MEAN).tolist(), (255 * STD).tolist()
        return lambda: [imgproc.normalize_mean_std(one, mean, std) for one in self.x]
