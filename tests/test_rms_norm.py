"""RMS norm: the suite of all norms, and what is its own."""

import cases
import norm_suite
import numpy as np
import pytest
from norms import NORMS

import numbanorm as nbn


class TestRMSNorm(norm_suite.Suite):
    norm = NORMS["rms"]

    @pytest.mark.parametrize("size", [3, 16, 49, 100, 768, 8193])
    def test_a_row_does_not_depend_on_others(self, size):
        """Whichever block, tile or thread it falls to, and wherever in memory."""
        x = cases.normal((700, size), np.float32)
        x[::7] += 1e4  # rows that are read twice, beside such that aren't
        whole = nbn.rms_norm(x, size)
        for i in (0, 1, 13, 14, 349, 699):
            assert np.array_equal(nbn.rms_norm(x[i], size), whole[i])
            assert np.array_equal(nbn.rms_norm(x[i : i + 1].copy(), size)[0], whole[i])
        assert np.array_equal(nbn.rms_norm(x[5:692], size), whole[5:692])

    def test_default_eps_is_the_machine_epsilon(self):
        for dtype in cases.DTYPES:
            x = (cases.normal((4, 9), np.float64) * 1e-5).astype(dtype)
            wanted = nbn.rms_norm(x, 9, eps=float(np.finfo(dtype).eps))
            assert np.array_equal(nbn.rms_norm(x, 9), wanted)
            assert not np.array_equal(nbn.rms_norm(x, 9, eps=1e-5), wanted)
