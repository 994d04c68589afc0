"""The kernels: compiled loops over typed pointers, and what runs them.

From the outside in:

`operation`s (`forward_*`, `backward_*`, `copying`)
    ``function(view, args, workers)``: one pass over an array, as `numbanorm._plan` views it.
    An operation allocates what it needs, hands its worker to threads, merges what they found in a
    fixed order and returns a status. `routes` chooses between those that go along contiguous
    memory, across it, and by rows.
workers
    ``worker(queue, view, args)``: take tiles until there are none left (`tiles.claim`).
leaves (`along_*`, `across_*`, `rows*`)
    The loops on one tile, in explicit 64-byte vectors (`vec`) on pointers (`pointers`). They
    allocate nothing and can't raise.

Each of these is Numba code with the options of `options`. `launch` and `pool` are the threads,
`cache` the disk cache, `entries` the C functions. To call the operations from your own compiled
code, use `numbanorm.jit`, which checks what it is given; the modules here don't, and may change.
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
