"""Layer norm: the suite of all norms, and what is its own."""

import cases
import norm_suite
import numpy as np
import pytest
from norms import NORMS

import numbanorm as nbn


class TestLayerNorm(norm_suite.Suite):
    norm = NORMS["layer"]

    @pytest.mark.parametrize("size", [3, 16, 49, 100, 768, 8193])
    def test_a_row_does_not_depend_on_others(self, size):
        """Whichever block, tile or thread it falls to, and wherever in memory."""
        x = cases.normal((700, size), np.float32)
        x[::7] += 1e4  # rows that are read twice, beside such that aren't
        whole = nbn.layer_norm(x, size)
        for i in (0, 1, 13, 14, 349, 699):
            assert np.array_equal(nbn.layer_norm(x[i], size), whole[i])
            assert np.array_equal(nbn.layer_norm(x[i : i + 1].copy(), size)[0], whole[i])
        assert np.array_equal(nbn.layer_norm(x[5:692], size), whole[5:692])
