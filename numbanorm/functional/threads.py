"""The number of threads large arrays are worked on with."""

from contextlib import AbstractContextManager

from numbanorm.calls import checks
from numbanorm.threads import counts, workers


def set_num_threads(n: int) -> None:
    """Set how many threads large arrays are worked on with; results do not depend on it.

    Parameters
    ----------
    n : int
        1 or more.

    Raises
    ------
    ValueError
        If n is less than 1.
    TypeError
        If n is not an int.

    Examples
    --------
    >>> import numbanorm as nbn
    >>> before = nbn.get_num_threads()
    >>> nbn.set_num_threads(1)
    >>> nbn.get_num_threads()
    1
    >>> nbn.set_num_threads(before)
    """
    workers.set_num_threads(checks.integer("n", n, 1))


def num_threads(n: int) -> AbstractContextManager[None]:
    """Set how many threads large arrays are worked on with, for the calls of a block of code.

    It holds in the Python thread that enters the block, and there in its own asyncio task, before
    whatever `set_num_threads` says; after the block, that which held before does again. Blocks may
    be nested. It does not hold for calls from C and from `numbanorm.jit`, which no block contains.

    Parameters
    ----------
    n : int
        1 or more.

    Returns
    -------
    context manager
        It may be used any number of times, by several threads at once too.

    Raises
    ------
    ValueError
        If n is less than 1.
    TypeError
        If n is not an int.

    Examples
    --------
    >>> import numbanorm as nbn
    >>> with nbn.num_threads(1):
    ...     nbn.get_num_threads()
    1
    """
    return counts.Limit(checks.integer("n", n, 1))


def get_num_threads() -> int:
    """Return how many threads large arrays are worked on with, here and now.

    Returns
    -------
    int
        What the first of these says that says anything:

        1. the block of `num_threads` that the caller is in;
        2. the last call of `set_num_threads`, for the whole process;
        3. in a worker of a PyTorch DataLoader, 1, unless the worker itself did one of the above;
        4. the variable ``NUMBANORM_NUM_THREADS``;
        5. `numba.set_num_threads`, in the Python thread that called it, with another number than
           Numba would take without;
        6. the variable ``NUMBA_NUM_THREADS``;
        7. the variable ``OMP_NUM_THREADS``, of a list its first number;
        8. the processors that the process may run on, within the CPU quota of its container.

        The variables count as they were when numbanorm (those of Numba: Numba) was imported.

    Raises
    ------
    ValueError
        If ``NUMBANORM_NUM_THREADS`` is asked, and is no int of 1 or more.

    Examples
    --------
    >>> import numbanorm as nbn
    >>> nbn.get_num_threads() >= 1
    True
    """
    return counts.get()
