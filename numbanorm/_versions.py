"""What Numba the kernels are written for.

They replace a few steps of its compiler and read parts that it calls private, so that another
minor version may compile them wrongly, or not at all.
"""

from __future__ import annotations

from numbanorm import __version__

# The first version that is known to work, and the first that is not.
NUMBA = (0, 68), (0, 69)


def spelled(version: tuple[int, ...]) -> str:
    """Return a version as it is written."""
    return ".".join(map(str, version))


def check() -> None:
    """Raise where kernels can't be compiled as they must be."""
    import numba

    first, beyond = NUMBA
    found = tuple(int(part) for part in numba.__version__.split(".")[:2] if part.isdecimal())
    if not first <= found < beyond:
        raise ImportError(
            f"numbanorm {__version__} needs numba>={spelled(first)},<{spelled(beyond)}, "
            f"got numba {numba.__version__}"
        )
