"""No temporary of x's size, and little else, beyond x and the result."""

import tracemalloc

import cases
import numpy as np
import pytest

import numbanorm as nbn

# 100 MB of float32: many short runs, and few channels with long ones.
SHAPES = [(32, 256, 56, 56), (2, 3, 2048, 2040)]


def peak(call):
    """Return the most bytes that a call held at once beyond what was there before it."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module", params=SHAPES, ids=str)
def arrays(request):
    """Return x, dy and a place for the result, flat, with the shape they are to have."""
    size = int(np.prod(request.param))
    x = np.tile(cases.normal((4096,), np.float32), size // 4096 + 1)[:size]
    return x, x[::-1].copy(), np.empty_like(x), request.param


@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "channels_last"])
@pytest.mark.parametrize("mode", ["train", "eval", "backward", "mean_var", "normalize"])
def test_peak_is_under_two_percent(arrays, layout, mode):
    """A float32 copy is 100 %, a boolean mask 25 %, float64 partials per 32 elements 6 %."""
    x, dy, out, shape = arrays
    count, keyword = shape[1], {"layout": "NHWC" if layout == "NHWC" else "NCHW"}

    def lay(a):
        if layout == "NCHW":
            return a.reshape(shape)
        a = a.reshape(cases.arrange(shape, "NHWC"))
        return a if layout == "NHWC" else np.moveaxis(a, -1, 1)

    x, dy, out = lay(x), lay(dy), lay(out)
    mean, var = np.zeros(count, np.float32), np.ones(count, np.float32)
    calls = {
        "train": lambda: nbn.batch_norm(x, mean, var, mean, var, True, out=out, **keyword),
        "eval": lambda: nbn.batch_norm(x, mean, var, mean, var, False, out=out, **keyword),
        "backward": lambda: nbn.batch_norm_backward(dy, x, mean, var, var, out=out, **keyword),
        "mean_var": lambda: nbn.channel_mean_var(x, **keyword),
        "normalize": lambda: nbn.channel_normalize(x, mean, var, out=out, **keyword),
    }
    # Compiled, or loaded from the cache, before the measurement.
    first = np.moveaxis(np.zeros((2, 2, 2, count), np.float32), -1, 1 if layout != "NHWC" else 3)
    nbn.batch_norm(first, training=True, **keyword)
    calls[mode]()
    assert peak(calls[mode]) < 0.02 * x.nbytes


@pytest.mark.parametrize("layout", cases.LAYOUTS)
def test_result_is_the_only_large_array_without_out(layout):
    """y is allocated (or taken from a pool) once: peak is x's size and less than 2 % more."""
    x = cases.normal(cases.arrange((8, 64, 100, 100), layout), np.float32)
    nbn.batch_norm(x, training=True, layout=layout)
    assert peak(lambda: nbn.batch_norm(x, training=True, layout=layout)) < 1.02 * x.nbytes + 65536
