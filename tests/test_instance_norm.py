"""Instance norm: the suite of all norms, and what is its own."""

import cases
import norm_suite
import numpy as np
import pytest
from norms import NORMS

import numbanorm as nbn


class TestInstanceNorm(norm_suite.RunningSuite):
    norm = NORMS["instance"]

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
