"""The kernels: compiled loops over typed pointers, and what runs them.

A folder imports those before it only:

`simd`
    Vectors and pointers: an LLVM instruction or a few under one name.
`compile`
    How functions are compiled (`options`), and the disk cache.
`threads`
    The threads, how they share work, and the `drivers` by which Python calls what they do.
`loops`
    The loops on one tile of memory. They allocate nothing and can't raise.
`operations`
    ``function(view, args, workers)``: one pass over an array, as `numbanorm.plan.view` has it. An
    operation allocates what it needs, hands a worker, ``worker(queue, view, args)``, to threads,
    which take tiles until there are none left, merges what they found in a fixed order and returns
    a status. `routes` chooses between those that go along contiguous memory, across it, by rows.
`c`
    The C functions; `ahead` and `user_arrays` are what Numba code calls.

To call the operations from your own compiled code, use `numbanorm.jit`, which checks what it is
given; the modules here don't, and may change.
"""

import numpy as np

from numbanorm import _versions

_versions.check()


def _preload():
    """Let Numba import what it does in a first call, outside of any lock that a fork waits for."""
    from numba import typeof
    from numba.core.entrypoints import init_all

    init_all()
    typeof(np.empty(0))


_preload()
