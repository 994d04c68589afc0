"""Normalise the bands of a lazy xarray.DataArray, with statistics of all of it.

    python examples/xarray_normalize.py

needs ``pip install 'numbanorm[dask]' xarray``. A band's mean and variance come from one pass over
the chunks; then numbanorm's plain functions work on each chunk, by xarray's own `apply_ufunc`.
"""

import dask
import dask.array as da
import numpy as np
import xarray as xr

import numbanorm as nbn
import numbanorm.dask

pixels = da.random.default_rng(0).integers(
    0, 10_000, (8, 4, 512, 512), dtype=np.uint16, chunks=(2, 4, 256, 512)
)
scenes = xr.DataArray(pixels, dims=("time", "band", "y", "x"))

mean, var = dask.compute(*numbanorm.dask.channel_mean_var(scenes.data))
normalized = xr.apply_ufunc(
    nbn.channel_normalize,
    scenes,
    xr.DataArray(mean, dims="band"),
    xr.DataArray(np.sqrt(var), dims="band"),
    # What a call is given of each: xarray puts these axes last, as NHWC has them.
    input_core_dims=[["band"], ["band"], ["band"]],
    output_core_dims=[["band"]],
    kwargs={"layout": "NHWC"},
    dask="parallelized",
    output_dtypes=[np.float32],
).transpose(*scenes.dims)

print(normalized.dtype, normalized.chunksizes)
print(nbn.Moments.of(normalized.compute().data))
