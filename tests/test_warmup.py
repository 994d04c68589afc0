"""Compiling ahead: nothing is left to compile, for whatever is called later."""

import itertools
import re

import numpy as np
import pytest
from cases import FLOATS
from processes import run

import numbanorm as nbn
from numbanorm import _warmup, cli
from numbanorm.plan import routes

# After a warm-up a compiler that is called at all ends the program.
PROGRAM = """
import sys
import numpy as np
import numbanorm as nbn

norm, dtype = sys.argv[1:]
nbn.warmup([norm], [dtype])

from numba.core import compiler
def compile_extra(*args, **keywords):
    raise AssertionError(f"{args[2]} is compiled")
compiler.compile_extra = compile_extra

if norm == "images":
    for n, size in ((1, 5), (70, 90)):
        x = np.ones((n, size, size, 3), np.uint8)
        for to in ("NCHW", "NHWC"):
            nbn.normalize_images(x, 0.5, 0.5, to=to, dtype=dtype)
            nbn.standardize_images([x[0, :, ::-1]], to=to, dtype=dtype)
        nbn.channel_mean_var(x, layout="NHWC")
        nbn.channel_mean_var(x.reshape(n, 3, -1))
    sys.exit()

parameters = np.promote_types(dtype, np.float32)
SHAPES = [(2, 3), (70, 30), (1, 8, 40), (8, 4, 50, 50), (64, 2048, 1, 1), (3, 2, 400, 400)]
SHAPES += [(128, 64, 28, 28)]
for threads in (1, 2, 7):
    nbn.set_num_threads(threads)
    for shape in SHAPES:
        x = np.ones(shape, dtype)
        for layout in ("NCHW", "NHWC"):
            channels = x.shape[1 if layout == "NCHW" else -1]
            ones, other = np.ones(channels, dtype), np.ones(channels, parameters)
            keywords = dict(weight=ones, bias=ones, return_stats=True)
            if norm in ("layer", "rms"):
                forward = getattr(nbn, f"{norm}_norm")
                rest = dict(return_stats=True)
                _, *stats = forward(x, shape[-1], **rest)
                backward = getattr(nbn, f"{norm}_norm_backward")
                backward(x, x, *stats, shape[-1])
                Layer = getattr(nbn, "LayerNorm" if norm == "layer" else "RMSNorm")
                for kind in (dtype, parameters):
                    layer = Layer(shape[-1], dtype=kind)
                    layer(x)
                    layer.backward(x)
                continue
            keywords["layout"] = layout
            if norm == "group":
                _, *stats = nbn.group_norm(x, channels // 2 or 1, **keywords)
                nbn.group_norm_backward(x, x, *stats, channels // 2 or 1, layout=layout)
                continue
            for training in (True, False):
                if norm == "instance" and x.ndim == 2:
                    continue
                forward = getattr(nbn, f"{norm}_norm")
                backward = getattr(nbn, f"{norm}_norm_backward")
                try:
                    for mean, var in ((ones, ones), (ones, other), (other, ones), (other, other)):
                        _, *stats = forward(x, mean.copy(), var.copy(), ones, other, training,
                                            layout=layout, return_stats=True)
                        backward(x, x, *stats, ones, training, layout=layout)
                except ValueError as error:
                    assert "more than 1 value" in str(error)
            if norm == "batch":
                mean, var = nbn.channel_mean_var(x, layout=layout)
                nbn.channel_normalize(x, mean, var + 1, layout=layout)
if norm == "batch":
    x = np.ones((8, 4, 50, 50), dtype)
    for kind in (dtype, parameters):
        layer = nbn.BatchNorm2d(4, dtype=kind)
        layer.save_for_backward = True
        for mode in (True, False):
            layer.train(mode)(x)
            layer.backward(x)
"""


@pytest.mark.parametrize(
    ("norm", "dtype"),
    [*((norm, "float32") for norm in _warmup.NORMS), ("batch", "float16"), ("layer", "float16")],
)
def test_nothing_is_left_to_compile(norm, dtype):
    run(PROGRAM, norm, dtype, timeout=300)


def test_the_c_functions_and_those_for_numba():
    """They are what `numbanorm.cabi` and `numbanorm.jit` compile when they are first asked."""
    names = [name for name, _ in _warmup._steps(["rms"], [np.dtype(np.float32)], True, True)]
    assert names[0] == "threads"
    assert {"C functions, float32", "for Numba: backward, float32"} < set(names)


def test_every_way_is_found():
    """The views that are tried must show all that larger grids show."""
    sizes = (1, 2, 3, 7, 9, 64, 500), (1, 2, 3, 16, 65, 1000), (1, 2, 7, 49, 200, 4000)
    for norm in _warmup.NORMS:
        found = _warmup._routes(norm)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_warmup, "_SIZES", sizes)
            patch.setattr(_warmup, "_GROUPS", (1, 2, 4, 5, 16, 50))
            assert _warmup._routes(norm) <= found, norm
    assert all(
        any((operation, way) in _warmup._routes(norm) for norm in _warmup.NORMS)
        for operation, way in itertools.product(
            ("normalize", "affine", "backward"), (routes.ALONG, routes.ACROSS, routes.ROWS)
        )
    )


def test_a_bar_is_drawn(capsys):
    nbn.warmup(["rms"], ["float32"], progress=True)
    err = capsys.readouterr().err.splitlines()
    assert err[0].endswith("threads") and err[-1].endswith("done")
    assert err[-1].startswith("[########################]")


def test_the_command(capsys):
    assert cli.main(["warmup", "--norms", "rms", "--dtypes", "float32"]) == 0
    out = capsys.readouterr()
    assert "kernels are ready" in out.out and "float32" in out.err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--norms", "weight"], "norms must be of 'batch', .*, got 'weight'"),
        (["--dtypes", "int8"], f"dtype must be {FLOATS}, got int8"),
        (["--dtypes", "no type"], f"dtype must be {FLOATS}, got no type"),
    ],
)
def test_what_is_not_known(capsys, arguments, message):
    assert cli.main(["warmup", *arguments]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_one_name_is_a_list_of_one():
    nbn.warmup("rms", "float32")
