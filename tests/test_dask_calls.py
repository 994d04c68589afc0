"""Where `numbanorm.dask` works: on any scheduler, under xarray, without Dask not; its examples."""

import os
from unittest import mock

import numpy as np
import pictures
import processes
import pytest
from pictures import same

import numbanorm as nbn

dask = pytest.importorskip("dask", reason="dask is in the extra dask")
da = pytest.importorskip("dask.array", reason="dask is in the extra dask")
lazy = pytest.importorskip("numbanorm.dask")

EXAMPLES = processes.ROOT / "examples"


def test_bits_do_not_depend_on_the_scheduler():
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    x = da.from_array(pictures.pixels((90, 7, 11), np.float32), chunks=(1, 4, 6))
    found = [lazy.batch_norm(x), *lazy.channel_mean_var(x), lazy.moments(x)]
    *want, moments = dask.compute(*found, scheduler="synchronous")
    results = [dask.compute(*found, scheduler="threads")]
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None}
    # It sets variables, as OMP_NUM_THREADS, for its workers, and leaves them to all that follows.
    with (
        mock.patch.dict(os.environ),
        distributed.LocalCluster(n_workers=2, **options) as cluster,
        cluster.get_client(),
    ):
        results.append(dask.compute(*found))
    for *arrays, other in results:
        assert all(map(same, arrays, want)) and other == moments


def test_without_dask():
    """It says which extra has it; numbanorm itself never imports it."""
    code = (
        "import sys, numbanorm; assert 'dask' not in sys.modules; sys.modules['dask'] = None\n"
        "try: import numbanorm.dask\nexcept ImportError as error: print(error)"
    )
    assert "pip install 'numbanorm[dask]'" in processes.run(code)


def test_xarray():
    """Plain functions, on chunks of an xarray.DataArray; its `data` serves here."""
    xarray = pytest.importorskip("xarray", reason="xarray is in the extra peers")
    values = pictures.pixels((6, 4, 5, 7), np.float32)
    x = xarray.DataArray(values, dims=("time", "band", "y", "x"))
    lazily = x.chunk({"time": 2, "y": 3})
    with pytest.raises(TypeError, match=r"x must be a Dask array, got DataArray: pass x\.data"):
        lazy.moments(lazily)
    mean, var = (
        xarray.DataArray(a.compute(), dims="band") for a in lazy.channel_mean_var(lazily.data)
    )
    options = {
        "input_core_dims": [["band"]] * 3,
        "output_core_dims": [["band"]],
        "kwargs": {"layout": "NHWC"},
        "dask": "parallelized",
        "output_dtypes": [values.dtype],
    }
    for function, other in ((nbn.channel_normalize, var**0.5), (nbn.batch_norm, var)):
        y = xarray.apply_ufunc(function, lazily, mean, other, **options).transpose(*x.dims)
        assert y.chunks is not None
        assert same(y.compute().values, function(values, mean.values, other.values))


def test_example_of_statistics():
    pytest.importorskip("distributed", reason="distributed is not installed")
    program = EXAMPLES / "dask_statistics.py"
    told = processes.run(program, "--gigabytes", "0.06", "--workers", "1", options=())
    assert "0.1 GB of uint8" in told and "at most" in told


def test_example_of_xarray():
    pytest.importorskip("xarray", reason="xarray is in the extra peers")
    told = processes.run(EXAMPLES / "xarray_normalize.py", options=())
    assert "std=[1, 1, 1, 1]" in told
