"""Where results lie: in torch's memory and in torch's order."""

import pytest

torch = pytest.importorskip("torch")
from torch_cases import CASES, normal  # noqa: E402

import numbanorm.torch as nt  # noqa: E402

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("case", [one for one in CASES if len(one.shape) > 2], ids=str)
def test_results_of_any_order_lie_as_torchs(case, kernels):
    """As after `permute`, where neither x's order of axes nor channels_last is that of memory."""
    axes = range(len(case.shape))
    for order in ([0, *reversed(axes[1:])], [*reversed(axes)], [1, 0, *axes[2:]]):
        x = normal([case.shape[axis] for axis in order], 3)
        x = x.permute([order.index(axis) for axis in axes])
        dy = normal(case.shape, 4)
        found = []
        for namespace in (torch.nn, nt):
            here = x.detach().requires_grad_()
            y = case.make(namespace)(here)
            y.backward(dy)
            found.append((y.detach(), here.grad))
        for theirs, ours in zip(*found):
            torch.testing.assert_close(ours, theirs, rtol=2e-5, atol=2e-5)
        assert found[0][0].stride() == found[1][0].stride()
