"""Normalization layers for NumPy arrays on the CPU, in Numba kernels that run at memory speed."""

from numbanorm._warmup import warmup
from numbanorm.functional import (
    batch_norm,
    batch_norm_backward,
    channel_mean_var,
    channel_normalize,
    get_num_threads,
    group_norm,
    group_norm_backward,
    instance_norm,
    instance_norm_backward,
    layer_norm,
    layer_norm_backward,
    num_threads,
    rms_norm,
    rms_norm_backward,
    set_num_threads,
)
from numbanorm.layers import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    RMSNorm,
)

__version__ = "0.2.0"

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "GroupNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "RMSNorm",
    "batch_norm",
    "batch_norm_backward",
    "channel_mean_var",
    "channel_normalize",
    "get_num_threads",
    "group_norm",
    "group_norm_backward",
    "instance_norm",
    "instance_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "num_threads",
    "rms_norm",
    "rms_norm_backward",
    "set_num_threads",
    "warmup",
]
