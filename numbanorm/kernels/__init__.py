"""Numba kernels on typed pointers: leaves, which loop, and the operations that callers call."""
