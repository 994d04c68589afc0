"""A norm's arrays, and calls on them: what all of `kinds` have in common."""

from functools import partial

import numpy as np

import numbanorm as nbn


def aligned(shape, fill=None, dtype=np.float32):
    """Return an array on a 64-byte boundary whose pages are there already."""
    size = int(np.prod(shape))
    buffer = np.zeros(size + 32, dtype)
    start = (-buffer.ctypes.data % 64) // buffer.itemsize
    x = buffer[start : start + size].reshape(shape)
    x[...] = 0 if fill is None else np.resize(fill, shape)
    return x


def of_parameters(dtype):
    """Return the dtype of parameters beside x of a dtype."""
    return np.float64 if np.dtype(dtype) == np.float64 else np.float32


class Norm:
    """The arrays of one shape and layout, and calls on them with the result array given.

    A call of a mode that a library lacks is None.
    """

    layouts = ("NCHW", "NHWC")
    modes = ("train", "backward")

    def __init__(self, name, layout, dtype="float32"):
        self.shape, self.layout = tuple(map(int, name.split("x"))), layout
        self.dtype = np.dtype(dtype)
        n, *rest = self.shape
        arranged = self.shape if layout == "NCHW" else (n, *rest[1:], rest[0])
        some = np.random.default_rng(0).standard_normal(999_983).astype(np.float32)
        self.x = aligned(arranged, some, self.dtype)
        self.dy, self.y = (aligned(arranged, dtype=self.dtype) for _ in range(2))
        self.dy[...] = np.resize(some[::-1], arranged)
        size, kind = self.parameters(), of_parameters(dtype)
        self.weight, self.bias = np.full(size, 1.5, kind), np.full(size, 0.5, kind)
        self.stats = self.forward(return_stats=True)[1:]

    def parameters(self):
        return self.shape[1]

    def ours(self, mode):
        return self.gradient if mode == "backward" else self.forward

    def limits(self, mode):
        """Return what memory and caches allow, past them and into them: the faster is the limit.

        It is a copy of x, for gradients a sum of dy and x.
        """
        from numbanorm.calls.operations import copy

        x, y, dy = self.x.reshape(-1), self.y.reshape(-1), self.dy.reshape(-1)
        given = (y, x, dy) if mode == "backward" else (y, x, None)
        return {
            name: partial(copy, *given, streamed=streamed)
            for name, streamed in (("past the caches", True), ("cached", False))
        }

    def tensors(self):
        """Return torch, and x, dy, y, weight and bias as tensors; NHWC as channels_last."""
        import torch

        torch.set_num_threads(nbn.get_num_threads())

        def tensor(a):
            if a.dtype.name == "bfloat16":
                t = torch.from_numpy(a.view(np.int16)).view(torch.bfloat16)
            else:
                t = torch.from_numpy(a)
            return t.permute(0, 3, 1, 2) if self.layout == "NHWC" and t.ndim == 4 else t

        return torch, *map(tensor, (self.x, self.dy, self.y, self.weight, self.bias))

    def torch(self, mode):
        """Return PyTorch's call with its results preallocated, as far as it can."""
        return None

    def onnx(self, mode):
        """Return ONNX Runtime's call into y."""
        return None

    def peer(self, find, mode):
        """Return a peer's call, or None where the peer is not installed."""
        try:
            return find(mode)
        except ImportError:
            return None

    def plain(self, mode):
        """Return the forward pass as one writes it in NumPy, into y."""
        if mode == "backward":
            return None
        axes, wide = self.axes()
        weight, bias = self.weight.reshape(wide), self.bias.reshape(wide)

        def call():
            mean = self.x.mean(axes, keepdims=True)
            scale = 1 / np.sqrt(self.x.var(axes, keepdims=True) + 1e-5)
            np.subtract(self.x, mean, out=self.y)
            np.multiply(self.y, scale * weight, out=self.y)
            np.add(self.y, bias, out=self.y)

        return call

    def axes(self):
        """Return the axes of a statistic, and the shape in which parameters meet x."""
        if self.layout == "NCHW":
            return (2, 3), (1, -1, 1, 1)
        return (1, 2), (1, 1, 1, -1)


def autograd(torch, dy, function, *given):
    """Return PyTorch's gradient of what has no operator of its own, the forward pass left out."""
    given = [a.detach().requires_grad_() for a in given]
    y = function(*given)
    return lambda: torch.autograd.grad(y, given, dy, retain_graph=True)
