"""The norms as layers, named and ordered as in `torch.nn`."""

from numbanorm.layers.batch_norm import BatchNorm1d, BatchNorm2d, BatchNorm3d

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d"]
