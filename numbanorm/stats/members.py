"""The members of .npz files, read as streams: none is in memory as a whole."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from numbanorm.stats import views

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm.stats.views import Box

    Array = NDArray[Any]

Header = tuple[tuple[int, ...], bool, "np.dtype[Any]"]


class Member:
    """An array of a .npz file, which is read from its beginning to its end.

    Parameters
    ----------
    file : str
        The file's path.
    key : str or None
        Its name; None if it is the only one that may be of images.
    """

    def __init__(self, file: str, key: str | None) -> None:
        self._archive = zipfile.ZipFile(file)
        name = _chosen(self._archive, key)
        self._stream: Any = self._archive.open(name)
        self.shape, self.fortran, self.dtype = _header(self._stream)
        self._left = self.dtype.itemsize * math.prod(self.shape)

    def reader(self, box: Box) -> Callable[[], Array]:
        """Return what returns the next piece, which is read from the stream right now."""
        shape = tuple(len(range(*cut.indices(n))) for cut, n in zip(box, self.shape))
        values = np.empty(shape, self.dtype, order="F" if self.fortran else "C")
        memory: Any = values.reshape(-1, order="A").view(np.uint8).data
        done = 0
        while done < len(memory):
            count = self._stream.readinto(memory[done:])
            if not count:
                raise ValueError("has a member that ends early")
            done += count
        self._left -= done
        if self._left == 0:
            # Only at the very end the checksum is looked at.
            self._stream.read(1)
        return lambda: values


def _chosen(archive: zipfile.ZipFile, key: str | None) -> str:
    """Return the name of the member to read."""
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if key is not None:
        if key not in names:
            raise ValueError(f"--key must be one of {', '.join(names)}, got {key}")
        return archive.namelist()[names.index(key)]
    found, described = [], []
    for name, short in zip(archive.namelist(), names):
        try:
            with archive.open(name) as stream:
                shape, _, dtype = _header(stream)
        except ValueError:
            described.append(short)
            continue
        described.append(f"{short} ({dtype} {shape})")
        if dtype.name in views.DTYPES and len(shape) >= 2:
            found.append(name)
    if len(found) != 1:
        raise ValueError(f"--key must say which member is of images: {', '.join(described)}")
    return found[0]


def _header(stream: IO[bytes]) -> Header:
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    # Those of later versions name fields, which numbers don't have.
    raise ValueError("has a member of fields, which statistics are not taken of")
