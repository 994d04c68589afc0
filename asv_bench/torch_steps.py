"""Steps of training of models, by torch's norms and by numbanorm's, and the norms' share of them.

python asv_bench/torch_steps.py [--model NAME] [--channels-last] [--bfloat16] [--threads N]
"""

import argparse
import copy
import time
from statistics import median

import torch
from models import MODELS
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

import numbanorm.torch as nt

NORMS = (
    nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm,
    nn.LayerNorm, nn.RMSNorm,
)  # fmt: skip


class Step:
    """A step of training: forward, backward, and plain gradient descent."""

    def __init__(self, model, x, bfloat16):
        self.model, self.x, self.bfloat16 = model.train(), x, bfloat16
        self.optimizer = torch.optim.SGD(model.parameters(), 1e-3)

    def __call__(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            y = self.model(self.x)
        loss = y.float().square().mean()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


def in_norms(step):
    """Return the seconds that a step spends in norms, forward and backward, by the profiler."""
    handles = []
    for module in step.model.modules():
        if isinstance(module, NORMS):
            marks = []

            def before(module, given, marks=marks):
                marks.append(record_function("norms forward"))
                marks[-1].__enter__()

            def after(module, given, result, marks=marks):
                marks.pop().__exit__(None, None, None)

            handles += [
                module.register_forward_pre_hook(before), module.register_forward_hook(after)
            ]  # fmt: skip
    with profile(activities=[ProfilerActivity.CPU]) as found:
        step()
    for handle in handles:
        handle.remove()
    names = (
        "norms forward", "NormalizeBackward", "NativeBatchNormBackward0",
        "NativeGroupNormBackward0", "NativeLayerNormBackward0", "FusedRmsNormBackward0",
    )  # fmt: skip
    total = 0.0
    for event in found.key_averages():
        name = event.key.removeprefix("autograd::engine::evaluate_function: ")
        if event.key == "norms forward" or (event.key != name and name in names):
            total += event.cpu_time_total / 1e6
    return total


def side_by_side(steps, turns):
    """Return the median seconds of each step, taken in turns."""
    times = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(turns):
        for name, step in steps.items():
            time.sleep(0.05)
            start = time.perf_counter()
            step()
            times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


def measured(name, channels_last, bfloat16, turns):
    """Return the seconds of a step, and those in norms, by torch's and by numbanorm's."""
    torch.manual_seed(0)
    make, shape = MODELS[name]
    model, x = make(), torch.randn(shape)
    if channels_last and x.dim() > 3:
        kind = torch.channels_last if x.dim() == 4 else torch.channels_last_3d
        model, x = model.to(memory_format=kind), x.to(memory_format=kind)
    ours = nt.convert(copy.deepcopy(model))
    steps = {"torch": Step(model, x, bfloat16), "ours": Step(ours, x, bfloat16)}
    whole = side_by_side(steps, turns)
    norms = {key: median(in_norms(step) for _ in range(3)) for key, step in steps.items()}
    return whole, norms


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=MODELS, nargs="+", default=list(MODELS))
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--bfloat16", action="store_true", help="under autocast")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    order = "channels last" if given.channels_last else "channels first"
    kind = "bfloat16 by autocast" if given.bfloat16 else "float32"
    print(f"{given.threads} threads, {order}, {kind}; torch's, ours, and how many times as fast")
    names = (("ms", 12), ("step", 9), ("norms", 9), ("share", 7), ("step", 11), ("norms", 9))
    print("".join(f"{word:>{width}}" for word, width in (*names, ("norms", 9), ("step", 7))))
    for name in given.model:
        whole, norms = measured(name, given.channels_last, given.bfloat16, given.turns)
        share = norms["torch"] / whole["torch"]
        print(
            f"{name:12}{whole['torch'] * 1e3:9.1f}{norms['torch'] * 1e3:9.1f}{share:7.0%}"
            f"{whole['ours'] * 1e3:11.1f}{norms['ours'] * 1e3:9.1f}"
            f"{norms['torch'] / norms['ours']:7.1f}x{whole['torch'] / whole['ours']:6.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
