"""Instance norm: the suite of all norms, and what is its own."""

import cases
import norm_suite
import numpy as np
import pytest
from norms import NORMS

import numbanorm as nbn


class TestInstanceNorm(norm_suite.ChannelSuite):
    norm = NORMS["instance"]

    @pytest.mark.peers
    @pytest.mark.parametrize("layout", cases.LAYOUTS)
    @pytest.mark.parametrize("momentum", [0.0, 0.3, 1.0])
    def test_running_statistics_are_torchs(self, layout, momentum):
        torch = pytest.importorskip("torch")
        shape = cases.arrange((4, 5, 3, 7), layout)
        x = cases.normal(shape, np.float32)
        mean, var = cases.normal((5,), np.float32, 3), np.ones(5, np.float32)
        first = torch.from_numpy(x if layout == "NCHW" else np.moveaxis(x, -1, 1).copy())
        wanted = torch.from_numpy(mean.copy()), torch.from_numpy(var.copy())
        torch.nn.functional.instance_norm(first, *wanted, momentum=momentum)
        nbn.instance_norm(x, mean, var, momentum=momentum, layout=layout)
        np.testing.assert_allclose(mean, wanted[0].numpy(), 1e-5, 1e-6)
        np.testing.assert_allclose(var, wanted[1].numpy(), 1e-5)

    @pytest.mark.parametrize("layout", cases.LAYOUTS)
    def test_by_running_statistics(self, layout):
        """It is then batch norm in inference, with one pair of statistics for each sample."""
        shape = cases.arrange((4, 5, 3, 7), layout)
        x, dy = cases.normal(shape, np.float32), cases.normal(shape, np.float32, 9)
        mean, var = cases.normal((5,), np.float32, 3), np.full(5, 2.0, np.float32)
        weight, bias = cases.affine(5, np.float32)
        given = mean, var, weight, bias, False
        y, m, r = nbn.instance_norm(x, *given, layout=layout, return_stats=True)
        wanted, bm, br = nbn.batch_norm(x, *given, layout=layout, return_stats=True)
        assert np.array_equal(y, wanted)
        assert m.shape == (4, 5) and (m == bm).all() and (r == br).all()
        found = nbn.instance_norm_backward(dy, x, m, r, weight, False, layout=layout)
        wanted = nbn.batch_norm_backward(dy, x, bm, br, weight, False, layout=layout)
        assert np.array_equal(found[0], wanted[0])
        for a, b in zip(found[1:], wanted[1:], strict=True):
            np.testing.assert_allclose(a, b, 1e-5, 1e-5)
