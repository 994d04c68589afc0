"""PyTorch's norms on the CPU, by numbanorm's kernels: modules, functions, and models converted.

Modules are subclasses of `torch.nn`'s and functions have the arguments of `torch.nn.functional`'s.
They work on CPU tensors of float32, float64, float16 and bfloat16 where these are, channels_last
too, with gradients. What the kernels can't do, or not faster, goes to torch's own: other devices,
small inputs, functional transforms, double backward, tracing, tensor subclasses.

Needs PyTorch: ``pip install 'numbanorm[torch]'``.
"""

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"numbanorm.torch needs PyTorch (pip install 'numbanorm[torch]'): {error}"
    ) from error

from numbanorm.torch.convert import convert, explain, restore
from numbanorm.torch.functional import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    rms_norm,
)
from numbanorm.torch.modules import (
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
from numbanorm.torch.sync import SyncBatchNorm, convert_sync_batchnorm

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
    "SyncBatchNorm",
    "batch_norm",
    "convert",
    "convert_sync_batchnorm",
    "explain",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "restore",
    "rms_norm",
]
