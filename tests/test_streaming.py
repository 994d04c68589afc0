"""Large results are written past the caches, in whole cache lines: none is left out or overrun.

A line that two runs share is written once, by one of them: an error there leaves what was in memory
before, which is right often enough to hide in tests that compare with a fresh array.
"""

import cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from norm_suite import inputs
from norms import NORMS, Case

import numbanorm as nbn

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


@pytest.mark.parametrize("name", NORMS)
@settings(max_examples=10, deadline=None)
@given(data=st.data(), offsets=OFFSETS, dtype=st.sampled_from(cases.DTYPES))
def test_norms(name, data, offsets, dtype):
    norm = NORMS[name]
    check_norm(norm, data.draw(norm.drawn(cases.large_shapes)), dtype, offsets)


def check_norm(norm, case, dtype, offsets):
    x, dy, weight, bias = inputs(norm, case, dtype)
    more = {} if norm.name == "rms" else {"bias": bias}
    _, mean, rstd = norm.forward(x, case, weight, return_stats=True, **more)
    shape = case.arranged
    check_written(lambda out: norm.forward(x, case, weight, out=out, **more), shape, dtype, offsets)
    check_written(
        lambda out: norm.backward(dy, x, mean, rstd, case, weight, out=out), shape, dtype, offsets
    )


@pytest.mark.parametrize("offset", range(16))
def test_a_tile_ends_within_a_line(offset):
    """Groups of lines of 36 elements: tiles end 4 elements before some of them do."""
    case = Case((33, 1030, 36), "NCHW", {"num_groups": 2})
    check_norm(NORMS["group"], case, np.float32, (offset, 3))


@settings(max_examples=10, deadline=None)
@given(
    shape=cases.large_shapes(),
    layout=st.sampled_from(cases.LAYOUTS),
    dtype=st.sampled_from(cases.DTYPES),
    offsets=OFFSETS,
)
def test_batch_norm(shape, layout, dtype, offsets):
    arranged = cases.arrange(shape, layout)
    x, dy = cases.normal(arranged, dtype), cases.normal(arranged, dtype, 9)
    weight, bias = cases.affine(shape[1], dtype, "both")
    _, mean, rstd = nbn.batch_norm(x, training=True, layout=layout, return_stats=True)
    calls = (
        lambda out: nbn.batch_norm(x, None, None, weight, bias, True, layout=layout, out=out),
        lambda out: nbn.batch_norm(x, mean, rstd, weight, bias, layout=layout, out=out),
        lambda out: nbn.batch_norm_backward(dy, x, mean, rstd, weight, layout=layout, out=out),
    )
    for call in calls:
        check_written(call, arranged, dtype, offsets)
