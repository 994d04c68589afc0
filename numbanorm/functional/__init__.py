"""The norms as functions, named and ordered as in `torch.nn.functional`."""

from numbanorm.functional.batch import batch_norm, batch_norm_backward
from numbanorm.functional.channel import channel_mean_var, channel_normalize
from numbanorm.functional.group import group_norm, group_norm_backward
from numbanorm.functional.images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    normalize_images,
    standardize_images,
)
from numbanorm.functional.instance import instance_norm, instance_norm_backward
from numbanorm.functional.layer import layer_norm, layer_norm_backward
from numbanorm.functional.rms import rms_norm, rms_norm_backward
from numbanorm.functional.threads import get_num_threads, num_threads, set_num_threads

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
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
    "normalize_images",
    "num_threads",
    "rms_norm",
    "rms_norm_backward",
    "set_num_threads",
    "standardize_images",
]
