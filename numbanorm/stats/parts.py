"""What threads are given to do, and what comes back: a group of images, or a piece of an array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from numbanorm.stats.tallies import Kind, Tallies, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from numbanorm._types import Layout

    Array = NDArray[Any]

# Small images of one kind and shape are added up together, since a call takes as long as 50 kB.
_TOGETHER = 64
_TOGETHER_BYTES = 1 << 20

# Images whose decoding is too short to be shared, which took a seventh longer.
_TINY_BYTES = 1 << 14


@dataclass
class Part:
    """What came of a task."""

    # The files that are done with, those that could not be read included.
    files: tuple[str, ...]
    tallies: Tallies = field(default_factory=dict)
    # Why files could not be read.
    broken: dict[str, str] = field(default_factory=dict)
    # Files with more images than the one that was read.
    longer: int = 0
    # Of a part of an array, its file and its number.
    piece: tuple[str, int] | None = None
    # How much of a file this was, for the progress bar.
    share: float = 0.0


# Returns None if it stopped early because it was told to.
Task = Callable[[Event], Part | None]


def reason(error: Exception) -> str:
    """Return what an error says, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}"


@dataclass(frozen=True)
class Failure:
    """The task of saying that a file could not be read."""

    file: str
    why: str
    share: float = 1.0

    def __call__(self, stop: Event) -> Part:
        """Return just that."""
        return Part((self.file,), broken={self.file: self.why}, share=self.share)


@dataclass(frozen=True)
class Images:
    """Files of images to decode and add up."""

    files: tuple[str, ...]
    mode: str | None
    histogram: bool

    def __call__(self, stop: Event) -> Part | None:
        """Return their statistics."""
        from numbanorm.stats import images

        part, batch = Part(self.files, share=len(self.files)), _Batch(self.histogram)
        with _Turn() as turn:
            for file in self.files:
                if stop.is_set():
                    return None
                try:
                    kind, values, more = images.decode(file, self.mode)
                # Decoders raise what they like, SyntaxError and struct.error among others.
                except Exception as error:
                    part.broken[file] = reason(error)
                    continue
                turn.take(values.nbytes)
                part.longer += more
                if not batch.takes(kind, values):
                    batch.add_to(part.tallies)
                if kind not in part.tallies:
                    part.tallies[kind] = Tally(first=file)
                part.tallies[kind].images += 1
                batch.put(kind, values)
            batch.add_to(part.tallies)
        return part


class _Turn:
    """One thread's turn at tiny images.

    Nearly all of their time is Pillow's Python. Threads that shared it would hand the
    interpreter's lock to one another at each call that releases it, eight times an image.
    """

    _lock = Lock()

    def __init__(self) -> None:
        self._taken = False

    def take(self, size: int) -> None:
        """Wait for the turn, if images are so small."""
        if size <= _TINY_BYTES and not self._taken:
            self._taken = self._lock.acquire()

    def __enter__(self) -> Self:
        """Return the turn, not taken yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let others have it."""
        if self._taken:
            self._lock.release()


class _Batch:
    """Images of one kind and shape that follow one another, to be added up at once."""

    def __init__(self, histogram: bool) -> None:
        self._histogram = histogram
        self._kind: Kind | None = None
        self._images: list[Array] = []

    def takes(self, kind: Kind, values: Array) -> bool:
        """Return whether an image is one more of those."""
        if not self._images:
            return True
        alike = kind == self._kind and values.shape == self._images[0].shape
        size = (len(self._images) + 1) * values.nbytes
        return alike and len(self._images) < _TOGETHER and size <= _TOGETHER_BYTES

    def put(self, kind: Kind, values: Array) -> None:
        """Take an image."""
        self._kind = kind
        self._images.append(values)

    def add_to(self, tallies: Tallies) -> None:
        """Add the images up, and forget them."""
        if self._kind is not None and self._images:
            alone = len(self._images) == 1
            x = self._images[0][None] if alone else np.stack(self._images)
            self._images.clear()
            tallies[self._kind].add(x, "NHWC", self._histogram)


@dataclass(frozen=True)
class Piece:
    """A part of an array to read and add up."""

    file: str
    number: int
    of: int
    # How many images the array has.
    images: int
    kind: Kind
    layout: Layout
    read: Callable[[], Array]
    histogram: bool

    def __call__(self, stop: Event) -> Part | None:
        """Return its statistics; those of how many images come with the first piece."""
        if stop.is_set():
            return None
        share = 1 / self.of
        tally = Tally(0 if self.number else self.images, self.file)
        try:
            tally.add(self.read(), self.layout, self.histogram)
        except Exception as error:
            why = {self.file: reason(error)}
            return Part((self.file,), {}, why, piece=(self.file, self.number), share=share)
        done = (self.file,) if self.number == self.of - 1 else ()
        return Part(done, {self.kind: tally}, piece=(self.file, self.number), share=share)
