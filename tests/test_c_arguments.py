"""Bad arguments get their status before anything is written; good ones get Python's bits."""

import math

import c_cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numbanorm._status import RULES, Status
from numbanorm.cabi import declarations, ffi

ARGUMENTS = {one.entry: one.argument_names for one in declarations.functions()}
CASES = {case.__name__: case for case in c_cases.CASES}

# x, and so the sizes that every broken call starts from: n 3, 6 channels, 5 values.
SHAPE = (3, 6, 5)


def arguments(case, x, inputs=None):
    """Return a call's name, its arguments by their names in C, and the arrays it writes."""
    name, args, written, wanted = CASES[case](x, "NCHW", inputs or c_cases.Inputs(5))
    return name, dict(zip(ARGUMENTS[name], args, strict=True)), written, wanted


def call(c_way, name, args, dtype=np.float32):
    return c_way(name, dtype, *args.values())


def refused(c_way, case, **changes):
    """Return the status of a call with some arguments changed, which must write nothing."""
    x = np.random.default_rng(0).normal(3, 2, SHAPE).astype(np.float32)
    name, args, written, _ = arguments(case, x)
    before = [array.copy() for array in written]
    status = call(c_way, name, args | changes)
    assert status != 0
    for array, old in zip(written, before):
        assert array.tobytes() == old.tobytes()
    assert c_way.strerror(status) == RULES[Status(status)]
    return Status(status)


IMAGES = [name for name in CASES if "layer" not in name and "rms" not in name]
ROWS = [name for name in CASES if name not in IMAGES]
HUGE = 2**62


@pytest.mark.parametrize("case", IMAGES)
def test_sizes_of_images(c_way, case):
    for size in ("n", "channels", "spatial"):
        assert refused(c_way, case, **{size: -1}) is Status.SIZE
        assert refused(c_way, case, **{size: HUGE}) is Status.SIZE
        assert refused(c_way, case, **{size: -(2**63)}) is Status.SIZE
    assert refused(c_way, case, n=2**31, channels=2**31, spatial=2**31) is Status.SIZE
    assert refused(c_way, case, n=0, channels=HUGE) is Status.SIZE
    assert refused(c_way, case, layout=2) is Status.LAYOUT
    assert refused(c_way, case, layout=-1) is Status.LAYOUT


@pytest.mark.parametrize("case", ROWS)
def test_sizes_of_rows(c_way, case):
    for size in ("rows", "size"):
        assert refused(c_way, case, **{size: -1}) is Status.SIZE
        assert refused(c_way, case, **{size: HUGE}) is Status.SIZE
    assert refused(c_way, case, rows=2**32, size=2**32) is Status.SIZE


@pytest.mark.parametrize("case", CASES)
def test_numbers(c_way, case):
    names = ARGUMENTS[arguments(case, np.ones(SHAPE, np.float32))[0]]
    for value in (-1e-30, math.nan, math.inf, -math.inf):
        if "eps" in names:
            assert refused(c_way, case, eps=value) is Status.EPS
    for value in (math.nan, math.inf):
        if "momentum" in names:
            assert refused(c_way, case, momentum=value) is Status.MOMENTUM
        if "correction" in names:
            assert refused(c_way, case, correction=value) is Status.CORRECTION
    if "correction" in names:
        assert refused(c_way, case, correction=15.0) is Status.CORRECTION
    if "num_groups" in names:
        for value in (0, -3, 4, 7, HUGE, -(2**63)):
            assert refused(c_way, case, num_groups=value) is Status.GROUPS


def test_one_value(c_way):
    assert refused(c_way, "batch_train", n=1, spatial=1) is Status.ONE_VALUE
    assert refused(c_way, "instance_train", spatial=1) is Status.ONE_VALUE
    assert refused(c_way, "group", n=1, channels=3, spatial=1, num_groups=3) is Status.ONE_VALUE


# What may be NULL in each function; all other arrays may not.
OPTIONAL = {"weight", "bias", "running_mean", "running_var", "dweight", "dbias"}


def required(name, names):
    given = "infer" in name or "backward" in name or name == "channel_normalize"
    optional = OPTIONAL if given else OPTIONAL | {"mean", "rstd", "var"}
    arrays = {"y", "x", "dx", "dy", "mean", "rstd", "var", "std"}
    return [one for one in names if one in arrays - optional]


@pytest.mark.parametrize("case", CASES)
def test_null(c_way, case):
    name, args, _, _ = arguments(case, np.ones(SHAPE, np.float32))
    found = required(name, args)
    assert found
    for one in found:
        assert refused(c_way, case, **{one: None}) is Status.NULL


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("case", CASES)
def test_alignment(c_way, case, dtype):
    """Half an element off: for statistics, which are double, that is what does for float."""
    room = np.zeros(400)
    name, args, _, _ = arguments(case, np.ones(SHAPE, dtype))
    for one, value in args.items():
        if isinstance(value, np.ndarray):
            off = ffi().cast("void *", room.ctypes.data + value.itemsize // 2)
            assert call(c_way, name, args | {one: off}, dtype) == Status.ALIGNMENT
    assert not room.any()


@pytest.mark.parametrize("case", CASES)
def test_overlap(c_way, case):
    """Each array that is written, laid over a part of each other one."""
    _, args, written, _ = arguments(case, np.ones(SHAPE, np.float32))
    arrays = {one: value for one, value in args.items() if isinstance(value, np.ndarray)}
    own = {one for one, value in arrays.items() if any(value is array for array in written)}
    for one in own:
        for other in arrays.keys() - {one}:
            room = np.zeros(400)
            # The other begins with the last eight bytes of the one.
            last = (arrays[one].nbytes - 1) // 8
            shared = {
                one: room.view(arrays[one].dtype),
                other: room[last:].view(arrays[other].dtype),
            }
            assert refused(c_way, case, **shared) is Status.OVERLAP
            assert not room.any()


def test_words(c_way):
    for status in (-1, len(Status), 10**6, -(2**31), 2**31 - 1):
        assert c_way.strerror(status) == "unknown status"
    assert c_way.strerror(0) == "success"


# --- drawn calls ---------------------------------------------------------------------------------

GUARD = 16


def guard(array):
    """Return a copy of an array between two guards, and all of it."""
    memory = np.full(array.size + 2 * GUARD, -7, array.dtype)
    inner = memory[GUARD : GUARD + array.size]
    inner[:] = array.ravel()
    return inner, memory


def broken_rules(name, args, shape):
    """Return the statuses that a call deserves, by the header's words."""
    n, channels, spatial = shape
    broken, elements = set(), n * channels * spatial
    if args.get("layout", 0) not in (0, 1):
        broken.add(Status.LAYOUT)
    if not 0 <= args.get("eps", 0) < math.inf:
        broken.add(Status.EPS)
    if not math.isfinite(args.get("momentum", 0)):
        broken.add(Status.MOMENTUM)
    if n * spatial and args.get("correction", -1) >= n * spatial:
        broken.add(Status.CORRECTION)
    if name == "batch_norm_train" and channels and n * spatial == 1:
        broken.add(Status.ONE_VALUE)
    if name == "instance_norm_train" and spatial == 1:
        broken.add(Status.ONE_VALUE)
    if name == "group_norm" and elements == args["num_groups"]:
        broken.add(Status.ONE_VALUE)
    if any(args[one] is None for one in required(name, args)) and elements:
        broken.add(Status.NULL)
    return broken


SIZE = st.one_of(st.integers(0, 9), st.integers(1, 70))
NULLS = st.sets(st.sampled_from(sorted(OPTIONAL | {"mean", "rstd", "x", "y"})))
NUMBERS = st.fixed_dictionaries(
    {},
    optional={
        "layout": st.sampled_from([0, 0, 0, 2]),
        "eps": st.sampled_from([c_cases.EPS, c_cases.EPS, -1.0]),
        "momentum": st.sampled_from([0.3, 0.3, math.nan]),
    },
)


def drawn_arguments(case, shape, dtype, missing):
    """Return a call of these sizes and what Python gives for each array it writes."""
    x = np.random.default_rng(6).normal(3, 2, shape).astype(dtype)
    inputs = c_cases.Inputs(7, missing)
    try:
        name, args, written, wanted = arguments(case, x, inputs)
    except ValueError:
        # Python refuses what C must, one value per statistic: a call of two, but for its sizes.
        x = np.ones((max(2, shape[0]), shape[1], max(2, shape[2])), dtype)
        name, args, written, wanted = arguments(case, x, inputs)
        args |= {"n": shape[0], "spatial": shape[2]}
    results = {
        one: right
        for one, value in args.items()
        for array, right in zip(written, wanted, strict=True)
        if value is array
    }
    return name, args, results


@settings(max_examples=3000, deadline=None)
@given(
    case=st.sampled_from(sorted(CASES)),
    shape=st.tuples(SIZE, SIZE, SIZE),
    dtype=st.sampled_from([np.float32, np.float64]),
    missing=st.one_of(st.just(set()), NULLS),
    numbers=NUMBERS,
)
def test_drawn_calls(c_table, case, shape, dtype, missing, numbers):
    name, args, results = drawn_arguments(case, shape, dtype, missing)
    args |= {one: value for one, value in numbers.items() if one in args}
    args = {one: None if one in missing else value for one, value in args.items()}
    memories = {}
    for one in results:
        if args[one] is not None:
            args[one], memories[one] = guard(args[one])
    before = {one: memory.tobytes() for one, memory in memories.items()}
    status = call(c_table, name, args, dtype)
    broken = broken_rules(name, args, shape)
    if broken:
        assert Status(status) in broken
        assert all(memory.tobytes() == before[one] for one, memory in memories.items())
        return
    assert status == 0
    for one, memory in memories.items():
        assert (memory[:GUARD] == -7).all() and (memory[-GUARD:] == -7).all()
        assert np.array_equal(args[one], results[one].ravel(), equal_nan=True), one
