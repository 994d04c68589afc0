"""Steps of training of models, by torch's norms and by numbanorm's, and the norms' share of them.

python asv_bench/torch_steps.py [--model NAME] [--channels-last] [--bfloat16] [--apart]
"""

import argparse
import multiprocessing
import time
from contextlib import ExitStack
from functools import partial
from statistics import median
from typing import NamedTuple

import torch
from models import MODELS
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

import numbanorm.torch as nt

NORMS = (
    nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.GroupNorm,
    nn.LayerNorm, nn.RMSNorm,
)  # fmt: skip


class Case(NamedTuple):
    """A model to be trained, on how many threads, and how."""

    name: str
    threads: int
    channels_last: bool
    bfloat16: bool


class Step:
    """A step of training by torch's norms or ours: forward, backward, plain gradient descent."""

    def __init__(self, case, ours):
        torch.set_num_threads(case.threads)
        torch.manual_seed(0)
        make, shape = MODELS[case.name]
        self.model, self.x, self.bfloat16 = make().train(), torch.randn(shape), case.bfloat16
        if case.channels_last and self.x.dim() > 3:
            kind = torch.channels_last if self.x.dim() == 4 else torch.channels_last_3d
            self.model, self.x = self.model.to(memory_format=kind), self.x.to(memory_format=kind)
        if ours:
            nt.convert(self.model)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 1e-3)

    def once(self):
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            y = self.model(self.x)
        y.float().square().mean().backward()
        self.optimizer.step()

    def seconds(self):
        """Return the seconds of a step."""
        start = time.perf_counter()
        self.once()
        return time.perf_counter() - start

    def seconds_in_norms(self):
        """Return the seconds that a step spends in norms, forward and backward."""
        return in_norms(self)


class Apart:
    """A step in a process of its own."""

    def __init__(self, case, ours):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(other, case, ours), daemon=True)
        self.process.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pipe.send(None)
        self.process.join()

    def ask(self, what):
        self.pipe.send(what)
        return self.pipe.recv()

    def seconds(self):
        return self.ask("seconds")

    def seconds_in_norms(self):
        return self.ask("seconds_in_norms")


def serve(pipe, case, ours):
    """Answer what `Apart` asks for."""
    step = Step(case, ours)
    while what := pipe.recv():
        pipe.send(getattr(step, what)())


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
        step.once()
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


def in_turns(calls, turns):
    """Return the median of what each call returns, called in turns."""
    found = {name: [] for name in calls}
    for turn in range(turns + 1):
        for name, call in calls.items():
            time.sleep(0.05)
            value = call()
            if turn:
                found[name].append(value)
    return {name: median(values) for name, values in found.items()}


def measured(make, turns):
    """Return the seconds of a step, and those in norms, by torch's and by ours."""
    with ExitStack() as stack:
        steps = {"torch": make(False), "ours": make(True)}
        for step in steps.values():
            if isinstance(step, Apart):
                stack.enter_context(step)
        whole = in_turns({name: step.seconds for name, step in steps.items()}, turns)
        return whole, in_turns({n: step.seconds_in_norms for n, step in steps.items()}, 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", choices=MODELS, nargs="+", default=list(MODELS))
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--bfloat16", action="store_true", help="under autocast")
    parser.add_argument("--apart", action="store_true", help="in two processes")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--turns", type=int, default=7)
    given = parser.parse_args()
    order = "channels last" if given.channels_last else "channels first"
    kind = "bfloat16 by autocast" if given.bfloat16 else "float32"
    place = "two processes" if given.apart else "one process"
    print(f"{given.threads} threads, {order}, {kind}, {place}; torch's, ours, times as fast")
    names = (("ms", 12), ("step", 9), ("norms", 9), ("share", 7), ("step", 11), ("norms", 9))
    print("".join(f"{word:>{width}}" for word, width in (*names, ("norms", 9), ("step", 7))))
    for name in given.model:
        case = Case(name, given.threads, given.channels_last, given.bfloat16)
        whole, norms = measured(partial(Apart if given.apart else Step, case), given.turns)
        share = norms["torch"] / whole["torch"]
        print(
            f"{name:12}{whole['torch'] * 1e3:9.1f}{norms['torch'] * 1e3:9.1f}{share:7.0%}"
            f"{whole['ours'] * 1e3:11.1f}{norms['ours'] * 1e3:9.1f}"
            f"{norms['torch'] / norms['ours']:7.1f}x{whole['torch'] / whole['ours']:6.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
