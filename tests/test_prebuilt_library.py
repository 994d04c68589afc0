"""What a wheel with kernels compiled ahead does, where it is installed."""

import numpy as np
import processes
import pytest

import numbanorm as nbn
from numbanorm.prebuilt import library

pytestmark = pytest.mark.skipif(
    library.loaded() is None,
    reason="kernels are compiled by Numba here",
)


def test_nothing_imports_numba():
    code = """
import sys
import numpy as np
import numbanorm as nbn
layer = nbn.BatchNorm2d(3)
layer.backward(layer(np.ones((64, 3, 64, 64), np.float32)))
nbn.normalize_images(np.ones((2, 4, 4, 3), np.uint8), 0.5, 0.5)
nbn.get_num_threads()
nbn.warmup()
print([name for name in sys.modules if name.partition(".")[0] in ("numba", "llvmlite")])
"""
    assert processes.run(code) == "[]\n"


def test_arrays_that_no_kernel_is_for_are_refused_before_anything_is_written():
    from numbanorm.calls import lookup

    view, wrong = (1, 1, 1, 1, 4), np.zeros(4, np.complex64)
    with pytest.raises(TypeError, match="not compiled for"):
        lookup.kernels().copying.copy.driver(view, (wrong, wrong, wrong, 0), 1)
    assert nbn.rms_norm(np.ones((2, 4), np.float32), (4,)).shape == (2, 4)
