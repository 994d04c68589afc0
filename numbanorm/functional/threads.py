"""How many threads large arrays are worked on with."""

from numbanorm import _checks, _threads


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
    _threads.set_num_threads(_checks.integer("n", n, 1))


def get_num_threads() -> int:
    """Return how many threads large arrays are worked on with.

    Returns
    -------
    int
        The number set last by `set_num_threads`. Without one it is Numba's: what
        `numba.set_num_threads` or ``NUMBA_NUM_THREADS`` says, else the processors that the process
        may run on, within the CPU quota of its container.

    Examples
    --------
    >>> import numbanorm as nbn
    >>> nbn.get_num_threads() >= 1
    True
    """
    return _threads.get_num_threads()
