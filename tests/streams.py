"""From how many bytes of arrays on results are written past the caches, set for tests."""

from contextlib import contextmanager

from numbanorm.kernels.threads.launch import variables

# Arrays of more than 4 MiB, which are many for a test, are then streamed, forward and backward.
SOME, NONE = 1 << 23, 1 << 62


@contextmanager
def streamed_from(least):
    """Let threads, however many, write past the caches what has so many bytes, and no less."""
    before = variables.nbn_stream_alone, variables.nbn_stream_each
    variables.nbn_stream_alone, variables.nbn_stream_each = least, 0
    try:
        yield
    finally:
        variables.nbn_stream_alone, variables.nbn_stream_each = before
