"""Normalization layers for NumPy arrays on the CPU, in Numba kernels that run at memory speed."""

from numbanorm.functional import (
    batch_norm,
    batch_norm_backward,
    channel_mean_var,
    channel_normalize,
    get_num_threads,
    set_num_threads,
)
from numbanorm.layers import BatchNorm1d, BatchNorm2d, BatchNorm3d

__version__ = "0.1.0"

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "batch_norm",
    "batch_norm_backward",
    "channel_mean_var",
    "channel_normalize",
    "get_num_threads",
    "set_num_threads",
]
