"""Large results are written past the caches, in whole cache lines: none is left out or overrun.

A line that two runs share is written once, by one of them: an error there leaves what was in memory
before, which is right often enough to hide in tests that compare with a fresh array.
"""

import cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from norm_calls import forward, inputs
from norm_row import Case
from norms import INFERENCE, NORMS

GUARD = 64


def guarded(shape, dtype, offset):
    """Return an array of NaN so many elements behind a cache line, and the memory around it."""
    memory = np.full(np.prod(shape) + 3 * GUARD, np.nan, dtype)
    lanes = 64 // memory.itemsize
    start = -memory.ctypes.data // memory.itemsize % lanes + lanes + offset % lanes
    return memory[start : start + np.prod(shape)].reshape(shape), memory


def check_written(call, shape, dtype, offsets):
    """Call twice, with results of two alignments; both must be whole, equal and alone."""
    found = []
    for offset in offsets:
        out, memory = guarded(shape, dtype, offset)
        call(out)
        assert np.isfinite(out).all()
        assert np.isnan(memory).sum() == memory.size - out.size
        found.append(out)
    assert np.array_equal(*found)


OFFSETS = st.tuples(st.integers(0, 15), st.integers(0, 15))


@pytest.mark.parametrize("norm", [*NORMS.values(), INFERENCE], ids=lambda norm: type(norm).__name__)
@settings(max_examples=10, deadline=None)
@given(data=st.data(), offsets=OFFSETS, dtype=st.sampled_from(cases.DTYPES))
def test_norms(norm, data, offsets, dtype):
    check_norm(norm, data.draw(norm.drawn(cases.large_shapes)), dtype, offsets)


def check_norm(norm, case, dtype, offsets):
    x, dy, weight, bias = inputs(norm, case, dtype)
    _, mean, rstd = forward(norm, case, x, weight, bias)
    for run in (
        lambda out: forward(norm, case, x, weight, bias, out=out),
        lambda out: norm.backward(dy, x, mean, rstd, case, weight, out=out),
    ):
        check_written(run, case.arranged, dtype, offsets)


@pytest.mark.parametrize("offset", range(16))
def test_a_tile_ends_within_a_line(offset):
    """Groups of lines of 36 elements: tiles end 4 elements before some of them do."""
    case = Case((33, 1030, 36), "NCHW", {"num_groups": 2})
    check_norm(NORMS["group"], case, np.float32, (offset, 3))
