"""Calls broken off at any place, by Ctrl-C or for want of memory, leave all or nothing done."""

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import run

import numbanorm as nbn

PACKAGE = str(Path(nbn.__file__).parent)
X = np.random.default_rng(0).normal(3, 2, (4, 3, 5)).astype(np.float32)
ERRORS = [KeyboardInterrupt, MemoryError]


def broken_off(call, after, error):
    """Call, with an error raised at the `after`th line of the package; returns whether it was."""
    seen = 0

    def trace(frame, event, _):
        nonlocal seen
        code = frame.f_code
        # An error that is raised while a generator is closed is lost, in Python.
        if not code.co_filename.startswith(PACKAGE) or code.co_flags & inspect.CO_GENERATOR:
            return None
        if event in ("line", "return"):
            seen += 1
            if seen == after:
                raise error
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except error:
        return True
    finally:
        sys.settrace(before)
    return False


def each_place(prepare, error):
    """Break a call off at every line in turn, each time prepared anew; yields what it prepared."""
    prepare()[0]()  # compiles
    for after in range(1, 10_000):
        call, *rest = prepare()
        if not broken_off(call, after, error):
            assert after > 20
            return
        yield rest


def strided(array):
    """Return the array's values under strides that no kernel takes."""
    wide = np.zeros((array.size, 2), array.dtype)
    wide[:, 0] = array
    return wide[:, 0]


STATISTICS = {
    "contiguous": lambda array: array.copy(),
    "strided": strided,
    "of the other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
}


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("made", STATISTICS.values(), ids=STATISTICS)
def test_running_statistics_move_together(made, error):
    """Two arrays written one after the other: an interrupt between them leaves a mixture."""
    before = np.zeros(3, np.float32), np.ones(3, np.float32)
    after = [array.copy() for array in before]
    nbn.batch_norm(X, *after, training=True)

    def prepare():
        running = [made(array) for array in before]
        return lambda: nbn.batch_norm(X, *running, training=True), running

    for (running,) in each_place(prepare, error):
        moved = [np.array_equal(a, b) for a, b in zip(running, after)]
        assert moved == [True, True] or all(map(np.array_equal, running, before))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("momentum", [0.1, None])
def test_a_layer_counts_what_its_statistics_hold(momentum, error):
    def trained(batches):
        layer = nbn.BatchNorm1d(3, momentum=momentum)
        for _ in range(batches):
            layer(X)
        return layer

    wanted = {n: trained(n).state_dict() for n in (1, 2)}

    def prepare():
        layer = trained(1)
        return lambda: layer(X), layer

    for (layer,) in each_place(prepare, error):
        state = layer.state_dict()
        for name, value in wanted[int(layer.num_batches_tracked)].items():
            np.testing.assert_array_equal(state[name], value)
        assert layer.backward(X).shape == X.shape


@pytest.mark.parametrize("error", ERRORS)
def test_a_state_is_loaded_whole(error):
    old, new = nbn.BatchNorm1d(3), nbn.BatchNorm1d(3)
    new(X + 1)
    new.weight[...], new.bias[...] = 2, 3
    states = [layer.state_dict() for layer in (old, new)]

    def prepare():
        layer = nbn.BatchNorm1d(3)
        return lambda: layer.load_state_dict(states[1]), layer

    for (layer,) in each_place(prepare, error):
        found = layer.state_dict()
        assert any(
            all(np.array_equal(found[name], state[name]) for name in state) for state in states
        )


@pytest.mark.parametrize("error", ERRORS)
def test_gradients_are_of_one_call(error):
    def prepare():
        layer = nbn.BatchNorm1d(3)
        layer(X)
        layer.backward(X)
        layer(X)
        return lambda: layer.backward(2 * X), layer

    for (layer,) in each_place(prepare, error):
        once = [layer.gradients()[name] / X.sum((0, 2)) for name in ("bias",)]
        np.testing.assert_allclose(once[0], np.round(once[0][0]), rtol=1e-4)
        assert sorted(layer.gradients()) == ["bias", "weight"]


# No memory for the result, and then, with a result given, none for the kernel's sums.
NO_MEMORY = """
import resource
from pathlib import Path
import numpy as np
import numbanorm as nbn

layer = nbn.BatchNorm2d(512, layout="NHWC")
x = np.random.default_rng(0).standard_normal((2, 56, 56, 512)).astype(np.float32)
layer(x)
before = {name: value.copy() for name, value in layer.state_dict().items()}
gradients = layer.backward(x).copy()
layer.load_state_dict(before)
layer(x)
before = layer.state_dict(copy=True)

# No page of it is ever touched. The sums take 50 MB.
vast = np.zeros((64, 224, 224, 512), np.float32)

def limit(more):
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + more, resource.RLIM_INFINITY))

def fails(call):
    try:
        call()
    except MemoryError as error:
        return str(error)
    raise AssertionError("there was memory")

mean, var = layer.running_mean, layer.running_var
limit(1 << 25)
print(fails(lambda: layer(vast)))
print(fails(lambda: nbn.batch_norm(vast, mean, var, training=True, layout="NHWC", out=vast)))
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
for name, value in layer.state_dict().items():
    np.testing.assert_array_equal(value, before[name])
np.testing.assert_array_equal(layer.backward(x), gradients)
layer(x)
assert layer.num_batches_tracked == 3
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
def test_no_memory_is_an_error():
    # What a compiler has given back in the same process would be memory.
    run("import numbanorm as nbn; nbn.warmup(['batch'], ['float32'])")
    first, second = run(NO_MEMORY).splitlines()
    assert "Unable to allocate" in first
    assert second == "there must be memory to work in"
