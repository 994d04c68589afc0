"""Norms whose weights are parametrized, before they are converted and after."""

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, parametrize  # noqa: E402
from torch_cases import close, gradients  # noqa: E402

import numbanorm.torch as nt  # noqa: E402

pytestmark = pytest.mark.peers


class Double(nn.Module):
    def forward(self, weight):
        return weight * 2


@pytest.mark.parametrize(
    "parametrized",
    [
        lambda module: parametrize.register_parametrization(module, "weight", Double()),
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        pytest.param(nn.utils.spectral_norm, id="old spectral_norm"),
    ],
)
def test_parametrizations(parametrized, kernels):
    parametrized(module := nn.LayerNorm((5, 7)))
    module.eval()  # spectral norm iterates in training
    x = torch.randn(3, 5, 7)
    wanted, keys = gradients(module, x), list(module.state_dict())
    nt.convert(module)
    assert isinstance(module, nt.LayerNorm) and list(module.state_dict()) == keys
    for got, want in zip(gradients(module, x), wanted, strict=True):
        close(got, want)
    assert kernels.forward.called and kernels.backward.called
    if parametrize.is_parametrized(module):
        copied = copy.deepcopy(module)
        close(copied(x), wanted[0])
        assert not isinstance(nt.restore(copied), nt.LayerNorm)
        close(copied(x), wanted[0])
        assert parametrize.is_parametrized(copied, "weight")
        parametrize.remove_parametrizations(module, "weight")
        assert type(module) is nt.LayerNorm
        close(module(x), wanted[0])


def test_parametrized_after_conversion(kernels):
    module, x = nt.convert(nn.LayerNorm(7)), torch.randn(9, 7)
    parametrize.register_parametrization(module, "weight", Double())
    close(module(x), nn.functional.layer_norm(x, (7,)) * 2)
    assert isinstance(nt.restore(module), nn.LayerNorm) and not isinstance(module, nt.LayerNorm)
    close(module(x), nn.functional.layer_norm(x, (7,)) * 2)
    assert kernels.forward.call_count == 1
