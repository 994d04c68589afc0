"""The C functions give the bits of the Python functions: in the process and in the library."""

import c_cases
import cases
import numpy as np
import pytest

import numbanorm as nbn

SHAPES = [
    (2, 3, 64),  # the small call that latency is measured with
    (2, 2, 5),  # as few of everything as can be normalised
    (5, 7, 3),  # primes: groups, folds and tails that fit nothing
    (3, 6, 300),  # runs longer than a tile's row, three groups
    (40, 96, 49),  # over 131,072 elements: several threads
    (2, 5, 150001),  # over 4 MiB: streamed, and too few channels for threads to share
    (33, 1030, 36),  # the same, columns of several slabs
]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", ["float32", "float64", *cases.SIXTEEN])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("case", c_cases.CASES, ids=lambda case: case.__name__)
def test_bits(c_way, case, shape, dtype, layout):
    dtype, rng = cases.dtype_of(dtype), np.random.default_rng(1)
    x = rng.normal(3, 2, shape).astype(dtype)
    name, args, written, wanted = case(x, layout, c_cases.Inputs(1))
    assert c_way(name, dtype, *args) == 0
    for got, right in zip(written, wanted, strict=True):
        assert np.array_equal(got.ravel(), right.ravel())


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_any_number_of_threads(c_library, layout, threads):
    rng = np.random.default_rng(2)
    x = rng.normal(3, 2, (4, 40, 5000)).astype(np.float32)
    before = c_library.functions.nbn_get_num_threads()
    c_library.functions.nbn_set_num_threads(threads)
    try:
        assert c_library.functions.nbn_get_num_threads() == threads
        for case in c_cases.CASES:
            name, args, written, wanted = case(x, layout, c_cases.Inputs(1))
            assert c_library(name, np.float32, *args) == 0
            assert all(np.array_equal(a.ravel(), b.ravel()) for a, b in zip(written, wanted)), name
    finally:
        c_library.functions.nbn_set_num_threads(before)


def test_thread_numbers(c_library):
    """0 is OpenMP's choice; a negative number changes nothing; 256 is the most."""
    functions = c_library.functions
    default = functions.nbn_get_num_threads()
    for given, wanted in ((3, 3), (-1, 3), (1000, 256), (0, default)):
        functions.nbn_set_num_threads(given)
        assert functions.nbn_get_num_threads() == wanted


def test_optional_pointers(c_way):
    """NULL for all that is optional: weight 1, bias 0, no running statistics, nothing saved."""
    rng = np.random.default_rng(3)
    x, dy = rng.normal(3, 2, (2, 3, 6, 20)).astype(np.float32)
    images, none, eps = c_cases.images(x, "NCHW"), None, c_cases.EPS
    train = *images, none, none, none, none, 0.1, eps, none, none
    mean, rstd = rng.normal(1, 0.1, (2, 18))
    running = mean[:6].astype(np.float32), rstd[:6].astype(np.float32)
    per_sample, per_row = (mean.reshape(3, 6), rstd.reshape(3, 6)), (3, 6, 1)
    given = mean.reshape(per_row), rstd.reshape(per_row)
    calls = {
        "batch_norm_train": (train, nbn.batch_norm(x, training=True)),
        "instance_norm_train": (train, nbn.instance_norm(x)),
        "group_norm": ((*images, 3, none, none, eps, none, none), nbn.group_norm(x, 3)),
        "layer_norm": ((x, 18, 20, none, none, eps, none, none), nbn.layer_norm(x, 20)),
        "rms_norm": ((x, 18, 20, none, eps, none), nbn.rms_norm(x, 20, eps=eps)),
        "batch_norm_infer": (
            (*images, none, none, *running, eps),
            nbn.batch_norm(x, *running),
        ),
        "batch_norm_backward": (
            (none, none, dy, *images, none, mean[:6], rstd[:6], 1),
            nbn.batch_norm_backward(dy, x, mean[:6], rstd[:6])[0],
        ),
        "instance_norm_backward": (
            (none, none, dy, *images, none, mean, rstd, 1),
            nbn.instance_norm_backward(dy, x, *per_sample)[0],
        ),
        "layer_norm_backward": (
            (none, none, dy, x, 18, 20, none, mean, rstd),
            nbn.layer_norm_backward(dy, x, *given, 20)[0],
        ),
        "rms_norm_backward": (
            (none, dy, x, 18, 20, none, rstd),
            nbn.rms_norm_backward(dy, x, given[1], 20)[0],
        ),
    }
    for name, (args, wanted) in calls.items():
        y = np.empty_like(x)
        assert c_way(name, np.float32, y, *args) == 0, name
        assert np.array_equal(y, wanted), name
    var = np.empty(6)
    assert c_way("channel_mean_var", np.float32, none, var, *images, 0.0) == 0
    assert np.array_equal(var, nbn.channel_mean_var(x)[1])


@pytest.mark.parametrize("size", [1e-200, 1e200])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_squares_out_of_range(c_way, layout, size):
    """Python and C give the same; what no variance stands for, between kernels, neither gives."""
    x = np.random.default_rng(5).normal(3, 2, (4, 30, 700)) * size
    eps, c_cases.EPS = c_cases.EPS, 0.0
    rows_and_groups = c_cases.group, c_cases.layer, c_cases.rms
    try:
        for case in (c_cases.batch_train, c_cases.instance_train, *rows_and_groups):
            name, args, written, wanted = case(x, layout, c_cases.Inputs(1))
            assert c_way(name, np.float64, *args) == 0
            for got, right in zip(written, wanted, strict=True):
                assert np.array_equal(got.ravel(), right.ravel())
            *_, near = case(x / size, layout, c_cases.Inputs(1))
            np.testing.assert_allclose(written[0], near[0], 1e-9, 1e-12)
    finally:
        c_cases.EPS = eps
    images = c_cases.images(x, layout)
    mean, var = np.empty((2, images[3]))
    assert c_way("channel_mean_var", np.float64, mean, var, *images, 1.0) == 0
    found = nbn.channel_mean_var(x, layout=layout, correction=1)
    assert np.array_equal(mean, found[0]) and np.array_equal(var, found[1])
    assert (var == (np.inf if size > 1 else 0)).all()
    _, mean, rstd = nbn.batch_norm(x, training=True, eps=0.0, layout=layout, return_stats=True)
    dy, dx = np.random.default_rng(6).normal(0, 1, x.shape), np.empty_like(x)
    given = dx, None, None, dy, *images, None, mean, rstd, 1
    assert c_way("batch_norm_backward", np.float64, *given) == 0
    assert np.array_equal(dx, nbn.batch_norm_backward(dy, x, mean, rstd, layout=layout)[0])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_in_place(c_way, layout):
    rng = np.random.default_rng(4)
    x = rng.normal(3, 2, (4, 30, 700)).astype(np.float32)
    for case in (c_cases.batch_train, c_cases.infer, c_cases.group, c_cases.layer, c_cases.rms):
        mine = x.copy()
        name, args, _, wanted = case(mine, layout, c_cases.Inputs(1))
        assert c_way(name, np.float32, mine, *args[1:]) == 0
        assert np.array_equal(mine, wanted[0])
    for case in (c_cases.batch_backward, c_cases.group_backward, c_cases.layer_backward):
        for over in (3, 4):  # dy, x
            name, args, _, wanted = case(x.copy(), layout, c_cases.Inputs(1))
            assert c_way(name, np.float32, args[over], *args[1:]) == 0
            assert np.array_equal(args[over], wanted[0])


@pytest.mark.parametrize("name", ["batch_norm_train", "instance_norm_train"])
def test_empty_input(c_way, name):
    """Nothing is computed: statistics become NaN, running ones stay, and x may be NULL."""
    mean, rstd, running = np.zeros(3), np.zeros(3), np.ones(3, np.float32)
    found = 3 if name.startswith("batch") else 0
    args = None, None, 0, 0, 3, 4, None, None, running, None, 0.1, 1e-5, mean, rstd
    assert c_way(name, np.float32, *args) == 0
    assert (running == 1).all()
    assert np.isnan(mean[:found]).all() and np.isnan(rstd[:found]).all()
    assert (mean[found:] == 0).all()
    dweight, dbias = np.ones(3, np.float32), np.ones(3, np.float32)
    args = None, dweight, dbias, None, None, 0, 0, 3, 4, None, mean, rstd, 1
    assert c_way("batch_norm_backward", np.float32, *args) == 0
    assert (dweight == 0).all() and (dbias == 0).all()
