"""Every norm's inputs, as calls of ours and of others; no other file knows how each is called."""

import numpy as np

import numbanorm as nbn

from . import onnx_peer
from .norm import Norm, autograd, of_parameters

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


class Batch(Norm):
    shapes, modes = BATCH, ("train", "eval", "backward")

    def __init__(self, name, layout, dtype="float32"):
        count, kind = int(name.split("x")[1]), of_parameters(dtype)
        self.running = np.zeros(count, kind), np.ones(count, kind)
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
