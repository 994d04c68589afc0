"""From which size on a call is one for the kernels: what is smaller is torch's, which is faster."""

from unittest import mock

import pytest

torch = pytest.importorskip("torch")

import numbanorm.torch as nt  # noqa: E402
from numbanorm.torch import norms  # noqa: E402

pytestmark = pytest.mark.peers

# Module, what it normalises 64 of, and from how many elements on: in training by its own
# statistics, of 16-bit floats, in eval, with channels last; None: not looked at.
LARGE = 1 << 22
CASES = {
    "batch": (lambda: nt.BatchNorm2d(64), (1 << 17, 1 << 20, LARGE, LARGE)),
    "instance": (lambda: nt.InstanceNorm2d(64), (1 << 17, 1 << 20, 1 << 17, LARGE)),
    "group": (lambda: nt.GroupNorm(8, 64), (LARGE, LARGE, LARGE, LARGE)),
    "layer": (lambda: nt.LayerNorm(64), (LARGE, LARGE, LARGE, None)),
    "rms": (lambda: nt.RMSNorm(64), (1 << 16, 1 << 16, 1 << 16, None)),
}


@pytest.mark.parametrize("kind", CASES)
def test_calls_by_their_size(kind):
    make, limits = CASES[kind]
    changes = (
        (lambda m, x: (m, x)),
        (lambda m, x: (m, x.bfloat16())),
        (lambda m, x: (m.eval(), x)),
        (lambda m, x: (m, x.to(memory_format=torch.channels_last))),
    )
    for change, limit in zip(changes, limits, strict=True):
        if limit is None:
            continue
        for elements, taken in ((limit // 2, False), (limit, True)):
            rows = kind in ("layer", "rms")
            shape = (elements // 64, 64) if rows else (elements // (64 * 128), 64, 8, 16)
            module, x = change(make(), torch.randn(shape))
            with mock.patch.object(norms, "forward", wraps=norms.forward) as forward:
                module(x)
            assert forward.called == taken, (elements, change)
