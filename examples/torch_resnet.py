"""A small ResNet that learns digits on the CPU: time per step and loss, torch's norms and these.

Run ``python examples/torch_resnet.py [--data FILE.npz] [--steps N] [--channels-last]``. Both models
begin alike and see the same batches, in turns. FILE.npz holds `images`, uint8 (N, 28, 28), and
`labels`; without it 400 digits of the package serve.
"""

import argparse
import copy
import time
from importlib import resources
from statistics import median

import numpy as np
import torch
from torch import nn

import numbanorm as nbn
import numbanorm.torch as nt


class Block(nn.Module):
    """Two convolutions with batch norm, beside their input."""

    def __init__(self, a, b, stride):
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(),
            nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b),
        )  # fmt: skip
        beside = nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))
        self.beside = nn.Identity() if a == b and stride == 1 else beside

    def forward(self, x):
        """Return the block's result."""
        return torch.relu(self.branch(x) + self.beside(x))


def resnet():
    """Return a ResNet of 14 layers for images of one channel."""
    stem = nn.Conv2d(1, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()
    blocks = [Block(a, b, s) for a, b, s in ((32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1))]
    end = Block(64, 128, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)
    return nn.Sequential(*stem, *blocks, *end)


def digits(path):
    """Return images, normalised by the data set's own statistics, and labels."""
    source = path or resources.files("numbanorm").joinpath("data/digits.npz")
    with np.load(source) as found:
        images, labels = found["images"][..., np.newaxis], found["labels"]
    moments = nbn.Moments.of(images, layout="NHWC")
    mean, std = moments.mean / 255, moments.std() / 255
    x = nbn.normalize_images(np.ascontiguousarray(images), mean, std, to="NCHW")
    return torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64))


def main():
    """Train both, and print what each step took and lost."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", metavar="FILE.npz")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--channels-last", action="store_true")
    given = parser.parse_args()
    torch.manual_seed(0)
    x, labels = digits(given.data)
    model = resnet()
    if given.channels_last:
        model, x = (one.to(memory_format=torch.channels_last) for one in (model, x))
    models = {"torch": model, "numbanorm": nt.convert(copy.deepcopy(model))}
    optimizers = {name: torch.optim.SGD(one.parameters(), 0.05) for name, one in models.items()}
    times: dict[str, list[float]] = {name: [] for name in models}
    print(f"{'step':>5}" + "".join(f"{name:>12} ms{'loss':>9}" for name in models))
    for step in range(given.steps):
        chosen = torch.randint(len(x), (given.batch,))
        line = f"{step:5}"
        for name, one in models.items():
            start = time.perf_counter()
            optimizers[name].zero_grad()
            loss = nn.functional.cross_entropy(one(x[chosen]), labels[chosen])
            loss.backward()
            optimizers[name].step()
            times[name].append(time.perf_counter() - start)
            line += f"{times[name][-1] * 1e3:15.1f}{loss.item():9.4f}"
        if step % 10 == 0 or step == given.steps - 1:
            print(line, flush=True)
    theirs, ours = (median(times[name][1:]) for name in models)
    print(f"median: torch's norms {theirs * 1e3:.1f} ms, these {ours * 1e3:.1f} ms a step")


if __name__ == "__main__":
    main()
