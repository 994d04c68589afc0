"""Small models of kinds that people train, of torch.nn modules: a step of them is timed."""

import torch
from torch import nn


class Residual(nn.Module):
    """A branch beside its input."""

    def __init__(self, branch, beside=None, after=None):
        super().__init__()
        self.branch, self.beside, self.after = (
            branch,
            beside or nn.Identity(),
            after or nn.Identity(),
        )

    def forward(self, x):
        return self.after(self.branch(x) + self.beside(x))


def conv(a, b, size=3, stride=1, groups=1, norm=True):
    """Return a convolution and a batch norm."""
    layers = [nn.Conv2d(a, b, size, stride, size // 2, groups=groups, bias=False)]
    return nn.Sequential(*layers, nn.BatchNorm2d(b)) if norm else layers[0]


def beside(a, b, stride):
    return conv(a, b, 1, stride) if a != b or stride > 1 else None


def basic(a, b, stride):
    """Return a block of ResNet-18."""
    branch = nn.Sequential(conv(a, b, 3, stride), nn.ReLU(), conv(b, b))
    return Residual(branch, beside(a, b, stride), nn.ReLU()), b


def bottleneck(a, b, stride):
    """Return a block of ResNet-50."""
    branch = nn.Sequential(
        conv(a, b, 1), nn.ReLU(), conv(b, b, 3, stride), nn.ReLU(), conv(b, 4 * b, 1)
    )
    return Residual(branch, beside(a, 4 * b, stride), nn.ReLU()), 4 * b


def resnet(block, depths, classes=10, channels=3, width=64):
    layers, a = [conv(channels, width, 3), nn.ReLU()], width
    for stage, depth in enumerate(depths):
        for i in range(depth):
            made, a = block(a, width << stage, 2 if stage and not i else 1)
            layers.append(made)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(a, classes))


class Dense(nn.Module):
    """A layer of DenseNet: its input, and what it makes of it."""

    def __init__(self, a, growth):
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(a), nn.ReLU(), conv(a, 4 * growth, 1), nn.ReLU(),
            conv(4 * growth, growth, norm=False),
        )  # fmt: skip

    def forward(self, x):
        return torch.cat([x, self.layers(x)], 1)


def densenet(depths=(6, 12, 8), growth=24):
    layers, a = [conv(3, 48), nn.ReLU()], 48
    for depth in depths:
        for _ in range(depth):
            layers.append(Dense(a, growth))
            a += growth
        layers += [nn.BatchNorm2d(a), nn.ReLU(), conv(a, a // 2, 1, norm=False), nn.AvgPool2d(2)]
        a //= 2
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(a, 10))


def mobilenet():
    layers, a = [conv(3, 32, stride=1), nn.ReLU6()], 32
    for b, stride, count in ((16, 1, 1), (24, 2, 2), (32, 2, 3), (64, 2, 3), (96, 1, 2)):
        for i in range(count):
            step, wide = stride if not i else 1, 6 * a
            branch = nn.Sequential(
                conv(a, wide, 1), nn.ReLU6(), conv(wide, wide, 3, step, wide), nn.ReLU6(),
                conv(wide, b, 1),
            )  # fmt: skip
            layers.append(Residual(branch) if step == 1 and a == b else branch)
            a = b
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(a, 10))


class LastAxis(nn.Module):
    """Layers that work on the last axis, on images whose channels are axis 1."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convnext(widths=(64, 128, 256), depths=(2, 2, 4)):
    layers, a = [nn.Conv2d(3, widths[0], 2, 2)], widths[0]
    for width, depth in zip(widths, depths):
        if width != a:
            layers += [LastAxis(nn.LayerNorm(a)), nn.Conv2d(a, width, 2, 2)]
            a = width
        for _ in range(depth):
            last = LastAxis(nn.LayerNorm(a), nn.Linear(a, 4 * a), nn.GELU(), nn.Linear(4 * a, a))
            layers.append(Residual(nn.Sequential(nn.Conv2d(a, a, 7, 1, 3, groups=a), last)))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(a, 10))


class UNet3d(nn.Module):
    """Two levels of a 3-D U-Net, with instance norm."""

    def __init__(self, width=16):
        super().__init__()
        self.down, self.low = self.block(1, width), self.block(width, 2 * width)
        self.up = nn.ConvTranspose3d(2 * width, width, 2, 2)
        self.out = nn.Sequential(self.block(2 * width, width), nn.Conv3d(width, 2, 1))

    @staticmethod
    def block(a, b):
        layers = []
        for channels in (a, b):
            layers += [
                nn.Conv3d(channels, b, 3, padding=1), nn.InstanceNorm3d(b, affine=True),
                nn.LeakyReLU(0.01),
            ]  # fmt: skip
        return nn.Sequential(*layers)

    def forward(self, x):
        high = self.down(x)
        low = self.up(self.low(nn.functional.max_pool3d(high, 2)))
        return self.out(torch.cat([high, low], 1)).mean((2, 3, 4))


def transformer(width=384, depth=6):
    layer = nn.TransformerEncoderLayer(width, 6, 4 * width, batch_first=True, norm_first=True)
    encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
    return nn.Sequential(encoder, nn.LayerNorm(width), nn.Linear(width, 10))


# A model, and the shape of its input.
MODELS = {
    "ResNet-18": (lambda: resnet(basic, (2, 2, 2, 2)), (16, 3, 64, 64)),
    "ResNet-50": (lambda: resnet(bottleneck, (3, 4, 6, 3)), (8, 3, 64, 64)),
    "DenseNet": (densenet, (16, 3, 64, 64)),
    "MobileNet": (mobilenet, (16, 3, 96, 96)),
    "ConvNeXt": (convnext, (16, 3, 96, 96)),
    "U-Net 3-D": (UNet3d, (2, 1, 32, 64, 64)),
    "transformer": (transformer, (16, 256, 384)),
}
