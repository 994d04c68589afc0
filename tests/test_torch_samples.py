"""The inputs that PyTorch tests its own norms with."""

import warnings

import numpy as np
import pytest

import numbanorm as nbn

torch = pytest.importorskip("torch")
pytest.importorskip("expecttest", reason="torch's own tests need it")

NAMES = ["batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm"]


def operator(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return next(op for op in op_db if op.name == f"nn.functional.{name}")


def to_numpy(value):
    if isinstance(value, torch.Tensor):
        return value.detach().numpy().copy()
    return tuple(value) if isinstance(value, torch.Size) else value


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_samples(name, dtype):
    compared = 0
    for sample in operator(name).sample_inputs("cpu", dtype):
        args = [to_numpy(a) for a in sample.args]
        kwargs = {k: to_numpy(v) for k, v in sample.kwargs.items()}
        x, ours = to_numpy(sample.input), getattr(nbn, name)
        if kwargs.get("eps", 0) < 0 or (x.ndim < 2 and name in NAMES[:3]):
            # torch takes the root of what it gets, and channels of nothing; we say what is wrong.
            with pytest.raises(ValueError, match=r"eps must be|x must have"):
                ours(x, *args, **kwargs)
            continue
        wanted = getattr(torch.nn.functional, name)(sample.input, *sample.args, **sample.kwargs)
        tolerance = 1e-5 if dtype is torch.float32 else 1e-12
        np.testing.assert_allclose(ours(x, *args, **kwargs), wanted.detach(), tolerance, tolerance)
        for mine, theirs in zip([*args, *kwargs.values()], [*sample.args, *sample.kwargs.values()]):
            if isinstance(theirs, torch.Tensor):  # running statistics, updated by both
                np.testing.assert_allclose(mine, theirs.detach(), tolerance, tolerance)
        compared += 1
    assert compared >= 3


@pytest.mark.parametrize("name", NAMES)
def test_what_torch_refuses(name):
    refused = operator(name).error_inputs_func
    for sample in refused(operator(name), "cpu") if refused else ():
        given = sample.sample_input
        args = [to_numpy(a) for a in given.args]
        with pytest.raises((ValueError, TypeError)):
            getattr(nbn, name)(to_numpy(given.input), *args, **given.kwargs)
