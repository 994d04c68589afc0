"""Every norm's inputs, as calls of ours and of others; no other file knows how each is called."""

from functools import partial

import numpy as np

import numbanorm as nbn

from . import onnx_peer

# N, C, H, W: ResNet-50's batch norms, the article's example, images, one sample, channel counts
# that are no multiple of 16, and arrays that fit a cache.
BATCH = [
    "32x64x112x112",
    "32x64x56x56",
    "32x256x56x56",
    "32x512x28x28",
    "32x1024x14x14",
    "32x2048x7x7",
    "20x100x35x45",
    "16x3x224x224",
    "1x64x56x56",
    "256x2048x1x1",
    "1x544x8x8",
    "8x251x28x28",
    "96x448x8x8",
]
IMAGES = ["32x64x56x56", "32x256x56x56", "32x512x28x28", "32x1024x14x14", "64x100x35x45"]
# Rows of transformers, large and small, and one of heads.
ROWS = [
    "8192x1024",
    "32768x768",
    "4096x768",
    "65536x128",
    "6000x1000",
    "64x768",
    "257x768",
    "1x768",
]


def aligned(shape, fill=None, dtype=np.float32):
    """Return an array on a 64-byte boundary whose pages are there already."""
    size = int(np.prod(shape))
    buffer = np.zeros(size + 32, dtype)
    start = (-buffer.ctypes.data % 64) // buffer.itemsize
    x = buffer[start : start + size].reshape(shape)
    x[...] = 0 if fill is None else np.resize(fill, shape)
    return x


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
        size = self.parameters()
        self.weight, self.bias = np.full(size, 1.5, np.float32), np.full(size, 0.5, np.float32)
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


class Batch(Norm):
    shapes, modes = BATCH, ("train", "eval", "backward")

    def __init__(self, name, layout, dtype="float32"):
        count = int(name.split("x")[1])
        self.running = np.zeros(count, np.float32), np.ones(count, np.float32)
        super().__init__(name, layout, dtype)

    def forward(self, training=True, **more):
        given = *self.running, self.weight, self.bias, training
        return nbn.batch_norm(self.x, *given, layout=self.layout, out=self.y, **more)

    def gradient(self):
        given = self.dy, self.x, *self.stats, self.weight
        return nbn.batch_norm_backward(*given, layout=self.layout, out=self.y)

    def axes(self):
        axes, wide = super().axes()
        return (0, *axes), wide

    def plain(self, mode):
        if mode != "eval":
            return super().plain(mode)
        wide = self.axes()[1]
        mean, var = (a.reshape(wide) for a in self.running)
        weight, bias = self.weight.reshape(wide), self.bias.reshape(wide)

        def call():
            np.subtract(self.x, mean, out=self.y)
            np.multiply(self.y, weight / np.sqrt(var + 1e-5), out=self.y)
            np.add(self.y, bias, out=self.y)

        return call

    def ours(self, mode):
        return (lambda: self.forward(False)) if mode == "eval" else super().ours(mode)

    def torch(self, mode):
        torch, x, dy, y, weight, bias = self.tensors()
        op = torch.ops.aten
        mean, var = (torch.from_numpy(a.copy()) for a in self.running)
        saved = [torch.from_numpy(a.astype(np.float32)) for a in self.stats]
        if mode == "backward":
            grads = torch.empty_like(weight), torch.empty_like(bias)
            given = dy, x, weight, mean, var, *saved, True, 1e-5, [True] * 3
            out = {"out0": y, "out1": grads[0], "out2": grads[1]}
            return lambda: op.native_batch_norm_backward.out(*given, **out)
        # PyTorch sizes the saved statistics itself: none in eval mode.
        saved = saved if mode == "train" else [torch.empty(0), torch.empty(0)]
        given = x, weight, bias, mean, var, mode == "train", 0.1, 1e-5
        out = {"out": y, "save_mean": saved[0], "save_invstd": saved[1]}
        return lambda: op.native_batch_norm.out(*given, **out)

    def onnx(self, mode):
        if mode != "eval" or self.layout == "NHWC":
            return None
        inputs = [self.x, self.weight, self.bias, *self.running]
        return onnx_peer.call("BatchNormalization", inputs, self.y)


class Instance(Norm):
    shapes = IMAGES

    def forward(self, **more):
        given = None, None, self.weight, self.bias
        return nbn.instance_norm(self.x, *given, layout=self.layout, out=self.y, **more)

    def gradient(self):
        given = self.dy, self.x, *self.stats, self.weight
        return nbn.instance_norm_backward(*given, layout=self.layout, out=self.y)

    def torch(self, mode):
        torch, x, dy, _, weight, bias = self.tensors()
        if mode == "train":
            given = None, None, weight, bias
            return lambda: torch.nn.functional.instance_norm(x, *given)
        return autograd(torch, dy, lambda x: torch.nn.functional.instance_norm(x), x)

    def onnx(self, mode):
        if mode != "train" or self.layout == "NHWC":
            return None
        return onnx_peer.call("InstanceNormalization", [self.x, self.weight, self.bias], self.y)


class Group(Norm):
    shapes = IMAGES

    def __init__(self, name, layout, dtype="float32"):
        self.groups = 32 if int(name.split("x")[1]) % 32 == 0 else 10
        super().__init__(name, layout, dtype)

    def forward(self, **more):
        given = self.groups, self.weight, self.bias
        return nbn.group_norm(self.x, *given, layout=self.layout, out=self.y, **more)

    def plain(self, mode):
        # Groups are an axis of their own.
        if mode == "backward":
            return None
        n, c, h, w = self.shape
        channels = self.groups, c // self.groups
        shape = (n, *channels, h, w) if self.layout == "NCHW" else (n, h, w, *channels)
        axes = (2, 3, 4) if self.layout == "NCHW" else (1, 2, 4)
        wide = (*channels, 1, 1) if self.layout == "NCHW" else channels
        x, y = self.x.reshape(shape), self.y.reshape(shape)
        weight, bias = self.weight.reshape(wide), self.bias.reshape(wide)

        def call():
            scale = 1 / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
            np.subtract(x, x.mean(axes, keepdims=True), out=y)
            np.multiply(y, scale, out=y)
            np.multiply(y, weight, out=y)
            np.add(y, bias, out=y)

        return call

    def gradient(self):
        given = self.dy, self.x, *self.stats, self.groups, self.weight
        return nbn.group_norm_backward(*given, layout=self.layout, out=self.y)

    def torch(self, mode):
        torch, x, dy, y, weight, bias = self.tensors()
        op, (n, c, h, w) = torch.ops.aten, self.shape
        saved = [torch.from_numpy(a.astype(np.float32)) for a in self.stats]
        if mode == "train":
            given = x, weight, bias, n, c, h * w, self.groups, 1e-5
            out = {"out0": y, "out1": saved[0], "out2": saved[1]}
            return lambda: op.native_group_norm.out(*given, **out)
        grads = torch.empty_like(weight), torch.empty_like(bias)
        given = dy, x, *saved, weight, n, c, h * w, self.groups, [True] * 3
        out = {"out0": y, "out1": grads[0], "out2": grads[1]}
        return lambda: op.native_group_norm_backward.out(*given, **out)

    def onnx(self, mode):
        if mode != "train" or self.layout == "NHWC":
            return None
        inputs = [self.x, self.weight, self.bias]
        return onnx_peer.call("GroupNormalization", inputs, self.y, num_groups=self.groups)


class Layer(Norm):
    shapes, layouts = ROWS, ("NCHW",)

    def parameters(self):
        return self.shape[-1]

    def axes(self):
        return -1, (-1,)

    def forward(self, **more):
        given = self.shape[-1], self.weight, self.bias
        return nbn.layer_norm(self.x, *given, out=self.y, **more)

    def gradient(self):
        given = self.dy, self.x, *self.stats, self.shape[-1], self.weight
        return nbn.layer_norm_backward(*given, out=self.y)

    def torch(self, mode):
        torch, x, dy, y, weight, bias = self.tensors()
        op, shape = torch.ops.aten, [self.shape[-1]]
        saved = [torch.from_numpy(a.astype(np.float32)) for a in self.stats]
        if mode == "train":
            out = {"out0": y, "out1": saved[0], "out2": saved[1]}
            return lambda: op.native_layer_norm.out(x, shape, weight, bias, 1e-5, **out)
        grads = torch.empty_like(weight), torch.empty_like(bias)
        given = dy, x, shape, *saved, weight, bias, [True] * 3
        out = {"out0": y, "out1": grads[0], "out2": grads[1]}
        return lambda: op.native_layer_norm_backward.out(*given, **out)

    def onnx(self, mode):
        if mode != "train":
            return None
        return onnx_peer.call("LayerNormalization", [self.x, self.weight, self.bias], self.y)


class RMS(Layer):
    def plain(self, mode):
        if mode == "backward":
            return None

        def call():
            scale = 1 / np.sqrt(np.square(self.x).mean(-1, keepdims=True) + 1e-5)
            np.multiply(self.x, scale, out=self.y)
            np.multiply(self.y, self.weight, out=self.y)

        return call

    def forward(self, **more):
        return nbn.rms_norm(self.x, self.shape[-1], self.weight, out=self.y, **more)

    def gradient(self):
        given = self.dy, self.x, *self.stats, self.shape[-1], self.weight
        return nbn.rms_norm_backward(*given, out=self.y)

    def torch(self, mode):
        torch, x, dy, _, weight, _ = self.tensors()
        shape = [self.shape[-1]]
        if mode == "train":
            return lambda: torch.rms_norm(x, shape, weight)
        return autograd(torch, dy, lambda x, w: torch.rms_norm(x, shape, w), x, weight)

    def onnx(self, mode):
        if mode != "train":
            return None
        return onnx_peer.call("RMSNormalization", [self.x, self.weight], self.y)


NORMS = {"batch": Batch, "instance": Instance, "group": Group, "layer": Layer, "rms": RMS}


def autograd(torch, dy, function, *given):
    """Return PyTorch's gradient of what has no operator of its own, the forward pass left out."""
    given = [a.detach().requires_grad_() for a in given]
    y = function(*given)
    return lambda: torch.autograd.grad(y, given, dy, retain_graph=True)
