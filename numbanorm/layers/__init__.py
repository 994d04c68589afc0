"""The norms as layers, named and ordered as in `torch.nn`."""

from numbanorm.layers.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from numbanorm.layers.group_norm import GroupNorm
from numbanorm.layers.instance_norm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from numbanorm.layers.layer_norm import LayerNorm
from numbanorm.layers.rms_norm import RMSNorm

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
]
