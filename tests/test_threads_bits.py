"""The same bits for any number of threads, from run to run, and for a view of the same memory."""

import cases
import numpy as np
import pytest
from norm_calls import same

import numbanorm as nbn

# All above the size that is worked on in parallel; some above the size that is streamed.
SHAPES = [
    (32, 28, 28, 28),
    (1, 3, 601, 607),  # fewer channels than threads: they share one
    (4, 3, 150, 151),  # NHWC: rows of three, several tiles merged
    (1031, 256),  # NCHW without spatial axes: across memory
    (70001, 1),
    (32, 1024, 7, 7),
    (37, 1003, 6, 6),
    (8, 64, 56, 56),
]


@pytest.fixture(autouse=True)
def restored_threads():
    before = nbn.get_num_threads()
    yield
    nbn.set_num_threads(before)


def everything(x, dy, layout):
    """Return all results of one forward and backward call in both modes, as bytes."""
    count = cases.channels(x.shape, layout)
    weight, bias = cases.affine(count, x.dtype)
    results = list(nbn.channel_mean_var(x, layout=layout))
    for training in (True, False):
        mean, var = np.zeros(count, x.dtype), np.ones(count, x.dtype)
        y, m, r = nbn.batch_norm(
            x, mean, var, weight, bias, training, layout=layout, return_stats=True
        )
        dx, dw, db = nbn.batch_norm_backward(dy, x, m, r, weight, training, layout=layout)
        results += [y, m, r, mean, var, dx, dw, db]
    results.append(nbn.channel_normalize(x, m, np.abs(r), layout=layout))
    return results


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bits_do_not_depend_on_threads(shape, layout):
    """A sum per thread fails, as does a merge in the order of finishing. (PyTorch's NHWC fails.)"""
    shape = cases.arrange(shape, layout)
    x, dy = cases.normal(shape, np.float32), cases.normal(shape, np.float32, 9)
    nbn.set_num_threads(1)
    wanted = everything(x, dy, layout)
    for threads in (2, 3, 8):  # more than there are cores, too
        nbn.set_num_threads(threads)
        assert same(everything(x, dy, layout), wanted), threads
        assert same(everything(x, dy, layout), wanted), "from run to run"


@pytest.mark.parametrize("layout", cases.LAYOUTS)
@pytest.mark.parametrize("shape", [(37, 103, 6, 6), (1, 3, 301, 307)], ids=str)
def test_bits_of_float64(shape, layout):
    shape = cases.arrange(shape, layout)
    x, dy = cases.normal(shape, np.float64), cases.normal(shape, np.float64, 9)
    nbn.set_num_threads(1)
    wanted = everything(x, dy, layout)
    nbn.set_num_threads(2)
    assert same(everything(x, dy, layout), wanted)


@pytest.mark.parametrize("shape", [(32, 28, 28, 28), (1031, 256), (8, 64, 56, 56)], ids=str)
@pytest.mark.parametrize("offset", [0, 1, 5])
def test_bits_do_not_depend_on_the_address(shape, offset):
    """A loop that peels to an aligned address before it sums gives other sums at another one."""
    for layout in cases.LAYOUTS:
        arranged = cases.arrange(shape, layout)
        x, dy = cases.normal(arranged, np.float32), cases.normal(arranged, np.float32, 9)
        wanted = everything(x, dy, layout)
        moved = cases.misaligned(x, offset), cases.misaligned(dy, 15 - offset)
        assert same(everything(*moved, layout), wanted)


@pytest.mark.parametrize("shape", [(5, 17, 7, 7), (32, 28, 28, 28), (8, 64, 56, 56)], ids=str)
def test_channels_last_view_gives_the_bits_of_nhwc(shape):
    arranged = cases.arrange(shape, "NHWC")
    x, dy = cases.normal(arranged, np.float32), cases.normal(arranged, np.float32, 9)
    view, dy_view = np.moveaxis(x, -1, 1), np.moveaxis(dy, -1, 1)
    results = [
        np.moveaxis(r, 1, -1) if r.ndim > 1 else r for r in everything(view, dy_view, "NCHW")
    ]
    assert same(results, everything(x, dy, "NHWC"))
