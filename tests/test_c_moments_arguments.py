"""What C's functions of moments refuse: its status comes before anything is written."""

import math

import numpy as np
import pictures
import pytest
from c_moments import State, pointer_to

from numbanorm import Moments, cabi
from numbanorm._status import Status

X = pictures.pixels((4, 3, 5), np.float32)
HUGE = 2**62


@pytest.fixture(params=["nothing", "integers", "both"])
def state(request, c_table):
    made = State(c_table, 3)
    if request.param != "nothing":
        m = Moments.of(pictures.pixels((7, 3), np.uint8))
        made.hold(m.update(X) if request.param == "both" else m)
    return made


def refused(state, call, *args):
    """Return the status of a call that fails, and writes nothing."""
    before, x = state.bytes(), X.tobytes()
    status = call(*args)
    assert status != 0 and state.bytes() == before and X.tobytes() == x
    return Status(status)


def test_sizes(state):
    for n, spatial in ((-1, 5), (4, -1), (HUGE, 5), (4, HUGE), (-(2**63), 5), (HUGE, 0)):
        assert refused(state, state.update, X, "NCHW", n, spatial) is Status.SIZE
    for layout in (-1, 2, 2**31 - 1):
        assert refused(state, state.update, X, layout, 4, 5) is Status.LAYOUT


def calls(state, other):
    """Return each function's call, with an `other` to merge."""
    mean, var = np.full((2, 3), 7.0)

    def read():
        status = state.mean_var(mean, var)
        assert (mean == 7).all() and (var == 7).all()
        return status

    return (lambda: state.update(X), lambda: state.merge(other), read)


def test_structs(state, c_table):
    other = State(c_table, 3).hold(Moments.of(X))
    struct = state.struct
    for name, values, wanted in (
        ("channels", (-1, HUGE, -(2**63)), Status.SIZE),
        ("sums", (cabi.ffi().NULL,), Status.NULL),
        ("values", (cabi.ffi().NULL,), Status.NULL),
        ("count", ([-1, 0], [0, -1], [-(2**63), 0], [2**63 - 1, 1], [HUGE, HUGE]), Status.SIZE),
    ):
        kept = list(struct.count) if name == "count" else getattr(struct, name)
        for value in values:
            setattr(struct, name, value)
            for call in calls(state, other):
                assert refused(state, call) is wanted, (name, value)
            assert refused(other, other.merge, state) is wanted
        setattr(struct, name, kept)
    struct.channels = 2
    assert refused(state, state.merge, other) is Status.SIZE


def test_null(state, c_table):
    none = cabi.ffi().NULL
    assert refused(state, state.update, None, "NCHW", 4, 5, "f32") is Status.NULL
    assert refused(state, state.merge, none) is Status.NULL
    assert c_table.function("moments_merge")(none, state.struct) == Status.NULL
    assert c_table.function("moments_update_u8")(none, none, 0, 0, 0) == Status.NULL
    assert c_table.function("moments_mean_var")(none, none, none, 0.0) == Status.NULL


def test_alignment(state, c_table):
    other, room = State(c_table, 3).hold(Moments.of(X)), np.zeros(400, np.uint8)
    off = room[2:]
    struct = pointer_to("nbn_moments *", off)
    assert c_table.function("moments_mean_var")(*2 * [cabi.ffi().NULL], struct, 0.0) == 9
    assert c_table.function("moments_merge")(struct, other.struct) == Status.ALIGNMENT
    assert refused(state, state.merge, struct) is Status.ALIGNMENT
    assert refused(state, state.update, off, "NCHW", 4, 5, "f64") is Status.ALIGNMENT
    assert refused(state, state.update, room[1:], "NCHW", 4, 5, "u16") is Status.ALIGNMENT
    for places in ((off, None), (None, off)):
        assert refused(state, state.mean_var, *places) is Status.ALIGNMENT
    for name, kind in (("sums", "int64_t *"), ("values", "double *")):
        kept = getattr(state.struct, name)
        setattr(state.struct, name, pointer_to(kind, off))
        for call in calls(state, other):
            assert refused(state, call) is Status.ALIGNMENT
        setattr(state.struct, name, kept)
    assert not room.any()


def test_overlap(state, c_table):
    """With itself, in a part, or with the struct."""
    assert refused(state, state.merge, state) is Status.OVERLAP
    struct = np.frombuffer(cabi.ffi().buffer(state.struct), np.int64)
    for array in (struct, state.sums, state.values):
        x = array.view(np.uint8)[-3:]
        assert refused(state, state.update, x, "NCHW", 1, 1, "u8") is Status.OVERLAP
        end = pointer_to("double *", array[-1:])
        for places in ((end, None), (None, end)):
            assert refused(state, state.mean_var, *places) is Status.OVERLAP
    both = np.full(5, 7.0)
    assert refused(state, state.mean_var, both[:3], both[2:]) is Status.OVERLAP
    other = State(c_table, 3).hold(Moments.of(X))
    for name in ("sums", "values"):
        kept = getattr(other.struct, name)
        setattr(other.struct, name, getattr(state.struct, name))
        assert refused(state, state.merge, other) is Status.OVERLAP
        setattr(other.struct, name, kept)
    state.struct.values = pointer_to("double *", state.sums[-1:])
    assert refused(state, state.update, X) is Status.OVERLAP
    assert (both == 7).all()


def test_corrections(state):
    count = float(state.count.sum())
    mean, var = np.full((2, 3), 7.0)
    for correction in (
        math.nan,
        math.inf,
        -math.inf,
        *([count, count + 1, 1e300] if count else []),
    ):
        assert refused(state, state.mean_var, mean, var, correction) is Status.CORRECTION
    assert (mean == 7).all() and (var == 7).all()


def test_either_result_is_optional(state):
    mean, var = np.full((2, 3), 7.0)
    assert state.mean_var(None, None) == state.mean_var(mean, None) == 0
    assert (var == 7).all()
    assert state.mean_var(None, var) == 0
    for found, one in zip((mean, var), state.found()):
        assert pictures.same(found, one)
    if not state.count.any():
        assert np.isnan(mean).all() and np.isnan(var).all()


def test_of_no_elements(state, c_table):
    """Nothing is needed for them, and nothing happens."""
    before = state.bytes()
    for n, spatial in ((0, 5), (4, 0), (0, 0)):
        assert state.update(None, "NHWC", n, spatial, kind="u8") == 0
    assert state.merge(State(c_table, 3)) == 0
    assert state.bytes() == before
    none = State(c_table, 0)
    none.struct.sums = none.struct.values = cabi.ffi().NULL
    assert none.update(None, "NCHW", 4, 5, kind="f16") == 0
    assert none.merge(State(c_table, 0)) == none.mean_var(None, None) == 0
    assert none.count.tolist() == [0, 0]
