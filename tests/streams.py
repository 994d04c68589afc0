"""From how many bytes of arrays on results are written past the caches, set for tests."""

from contextlib import contextmanager

from numbanorm.calls import lookup
from numbanorm.threads.shared import STREAM_ALONE, STREAM_EACH, words

# Arrays of more than 4 MiB, which are many for a test, are then streamed, forward and backward.
SOME, NONE = 1 << 23, 1 << 62


@contextmanager
def streamed_from(least):
    """Let threads, however many, write past the caches what has so many bytes, and no less."""
    # Kernels set them as they are loaded.
    lookup.kernels()
    alone, each = words(STREAM_ALONE), words(STREAM_EACH)
    before = alone[0], each[0]
    alone[0], each[0] = least, 0
    try:
        yield
    finally:
        alone[0], each[0] = before
