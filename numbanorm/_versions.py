"""What Numba the kernels are written for.

They replace a few steps of its compiler and read parts that it calls private, so that another
minor version may compile them wrongly, or not at all.
"""

from __future__ import annotations

from numbanorm import __version__
from numbanorm.prebuilt import library

# The first version that is known to work, and the first that is not.
NUMBA = (0, 68), (0, 69)


def spelled(version: tuple[int, ...]) -> str:
    """Return a version as it is written."""
    return ".".join(map(str, version))


def _why() -> str:
    """Return what they are compiled for."""
    found, reason = library.deciding()
    return reason if found is None else "for numbanorm.jit and for C"


def check() -> None:
    """Raise where kernels can't be compiled as they must be."""
    first, beyond = NUMBA
    try:
        import numba
    except ModuleNotFoundError as error:
        if error.name != "numba":
            raise
        raise ModuleNotFoundError(
            f"Numba must be installed to compile kernels, here {_why()}: "
            "pip install 'numbanorm[jit]'",
            name="numba",
        ) from None
    found = tuple(int(part) for part in numba.__version__.split(".")[:2] if part.isdecimal())
    if not first <= found < beyond:
        raise ImportError(
            f"numbanorm {__version__} needs numba>={spelled(first)},<{spelled(beyond)}, "
            f"got numba {numba.__version__}"
        )
