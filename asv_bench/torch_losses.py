"""How far losses are from those of a run in float64, with torch's norms and with numbanorm's.

python asv_bench/torch_losses.py [--data FILE.npz] [--steps N] [--seeds N]

The ResNet of `examples/torch_resnet.py` learns digits three times from one beginning, and sees the
same batches: in float64, in float32 by torch, and in float32 with numbanorm's norms.
"""

import argparse
import copy
import importlib.util
from pathlib import Path

import numpy as np
import torch

import numbanorm.torch as nt


def example():
    """Return the example as a module."""
    path = Path(__file__).parents[1] / "examples" / "torch_resnet.py"
    spec = importlib.util.spec_from_file_location("torch_resnet", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def losses(model, x, labels, batches, rate):
    """Return the loss of each step."""
    optimizer, found = torch.optim.SGD(model.parameters(), rate), []
    for chosen in batches:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x[chosen]), labels[chosen])
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return np.array(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", metavar="FILE.npz")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    # With ten times that, differences grow to a hundredth within the steps, whoever makes them.
    parser.add_argument("--rate", type=float, default=0.002)
    given = parser.parse_args()
    made = example()
    x, labels = made.digits(given.data)
    print("distance of losses from float64's, root of mean square and largest; last loss")
    for seed in range(given.seeds):
        torch.manual_seed(seed)
        model = made.resnet()
        batches = [torch.randint(len(x), (given.batch,)) for _ in range(given.steps)]
        run = (labels, batches, given.rate)
        truth = losses(copy.deepcopy(model).double(), x.double(), *run)
        line = f"seed {seed}: float64 {truth[-1]:.6f}"
        for name, one in (("torch", model), ("ours", nt.convert(copy.deepcopy(model)))):
            far = losses(one, x, *run) - truth
            line += f"  {name} {np.sqrt((far**2).mean()):.1e} {np.abs(far).max():.1e}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
