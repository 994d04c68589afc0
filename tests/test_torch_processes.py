"""numbanorm.torch in several processes: data parallel, workers of a loader, forks."""

import pytest
from processes import run

pytest.importorskip("torch")

pytestmark = pytest.mark.peers

# What every program begins with. torch itself warns of much, so that warnings are no errors here.
BEGIN = """
import os, signal, sys
import numpy as np
import numpy.testing
import torch
from torch import nn
import numbanorm.torch as nt
from numbanorm.torch import autograd, norms
autograd.least_elements = lambda *_: 0

calls = 0
forward = norms.forward

def counting(*args):
    global calls
    calls += 1
    return forward(*args)

norms.forward = counting
"""

PARALLEL = (
    BEGIN
    + """
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

def build():
    torch.manual_seed(0)
    return nt.convert(nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6).eval(), nn.GELU(), nn.GroupNorm(2, 6), nn.Flatten(2),
        nn.LayerNorm(25), nn.RMSNorm(25)))

def step(model, x):
    model(x).pow(3).mean().backward()
    return [one.grad.clone() for one in model.parameters()]

def work(rank, file, x, wanted):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    model = DistributedDataParallel(build())
    half = x[rank * 4 : rank * 4 + 4]
    for got, want in zip(step(model, half), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    # In training each process has running statistics of its own, until the first's are broadcast.
    for training in (True, False):
        model.train(training)(half)
        means = [torch.zeros(6) for _ in range(2)]
        dist.all_gather(means, model.module[1].running_mean)
        assert torch.equal(*means) != training
    assert calls == 12, calls
    dist.destroy_process_group()

if __name__ == "__main__":
    x = torch.randn(8, 3, 7, 7)
    wanted = step(build(), x)
    mp.spawn(work, (sys.argv[1], x, wanted), nprocs=2)
    print("done")
"""
)


def test_two_processes_equal_one(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PARALLEL)
    assert run(program, tmp_path / "store", options=(), timeout=100) == "done\n"


LOADER = (
    BEGIN
    + """
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(0)
layer = nt.LayerNorm(64).requires_grad_(False)
items = torch.randn(8, 512, 64)

class Items(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        from numbanorm.threads import counts

        with norms.as_torch():
            number = counts.get()
        return layer(items[index]), number

if __name__ == "__main__":
    torch.set_num_threads(2)
    wanted = nn.functional.layer_norm(items, (64,))
    torch.testing.assert_close(layer(items), wanted)
    for context in ("fork", "spawn"):
        loader = DataLoader(
            Items(), batch_size=4, num_workers=2, multiprocessing_context=context, timeout=50
        )
        y, numbers = (torch.cat(part) for part in zip(*loader))
        torch.testing.assert_close(y, wanted)
        assert numbers.tolist() == [1] * 8, numbers
    print("done")
"""
)


def test_workers_of_a_loader_use_one_thread(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(LOADER)
    assert run(program, options=(), timeout=100) == "done\n"


FORK = (
    BEGIN
    + """
torch.set_num_threads(2)
models = [nt.BatchNorm2d(32), nt.GroupNorm(4, 32), nt.LayerNorm(28)]
x = torch.randn(16, 32, 28, 28)
dy = torch.randn(16, 32, 28, 28)

def all_gradients():
    found = []
    for model in models:
        given = x.detach().requires_grad_()
        y = model(given)
        found += [y.detach(), *torch.autograd.grad(y, (given, *model.parameters()), dy)]
    return [one.numpy() for one in found]

def child():
    "Fork; the child has numbanorm's own threads, where OpenMP's would hang."
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    status = 1
    try:
        signal.alarm(60)
        for _ in range(3):
            for got, want in zip(all_gradients(), wanted, strict=True):
                np.testing.assert_allclose(got, want, 1e-4, 1e-4)
        status = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    os._exit(status)

# Before torch's threads were made, and after.
if sys.argv[1] == "early":
    torch.set_num_threads(1)
    wanted = all_gradients()
    torch.set_num_threads(2)
    assert child() == 0
wanted = all_gradients()
torch.mm(torch.randn(512, 512), torch.randn(512, 512))
assert child() == 0
all_gradients()
assert child() == 0
print("done")
"""
)


@pytest.mark.parametrize("when", ["early", "late"])
def test_fork(when):
    assert run(FORK, when, options=(), timeout=100) == "done\n"
