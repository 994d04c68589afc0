"""Numba kernels on typed pointers: leaves, which loop, and the drivers that Python calls."""
