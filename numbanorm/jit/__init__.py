"""The operations behind all norms, to be called from your own ``@njit`` functions.

A norm is a *view*: C-contiguous memory of shape ``(batch, outer, group, width, run)``, whose
statistics reduce outer, width and run, and whose weight and bias have shape (group, width).
`batch_view`, `instance_view`, `group_view` and `row_view` return it for the norms of that name.

The functions that work on arrays return a status, for one that raises would take down a ``prange``
that it is called in: `OK`, or `SIZE` (an array has another size than the view says), `EPS` (eps is
negative or not finite) or `MEMORY` (there is none to work in). Nothing is written but for `OK`, and
for `MEMORY`, which leaves results undefined.

`threads` is how many threads may work: 1, as in a ``prange`` of your own, unless given;
`num_threads` is what the Python functions take. The results are theirs, to the last bit, for any
number.

Arrays are C-contiguous and of the view's sizes, in whatever shape; all of one call have x's dtype,
float32 or float64, apart from statistics, which are float64: anything else is refused when Numba
compiles the call. Numba has no arrays of 16-bit floats: pass ``x.view(np.uint16)`` to your
function, and what `float16` or `bfloat16` make of that to the functions here; weights, biases and
their gradients are then float32. What is written may overlap no other argument but those said.
None, or an empty array, stands for no weight, no bias, and for a gradient that is not wanted.

An operation is compiled for x's dtype when code that calls it first is, for some 10 seconds; from
then on numbanorm's cache has it for all of them (`numbanorm.warmup` does it ahead). A function with
``@njit(cache=True)`` is loaded with the operations of the numbanorm that is there then; a callback,
``@cfunc(cache=True)``, loads them at its first call, for which it takes the GIL.

Examples
--------
The rows of an array, normalised within a function of one's own::

    >>> import numba
    >>> import numpy as np
    >>> from numbanorm import jit
    >>> @numba.njit
    ... def rows(x):
    ...     y, mean, var = np.empty_like(x), np.empty(len(x)), np.empty(len(x))
    ...     view = jit.row_view(*x.shape)
    ...     status = jit.normalize(y, x, None, None, mean, var, 1e-5, view)
    ...     return status, y
    >>> rows(np.array([[1.0, 3.0], [20.0, 40.0]]))[1].round(3)
    array([[-1.,  1.],
           [-1.,  1.]])
"""

# First: what Numba is wanted for is said before it is missed.
import numbanorm.kernels as _kernels  # noqa: F401
from numbanorm._status import Status
from numbanorm.jit.arrays import bfloat16, float16, num_threads
from numbanorm.jit.data import normalize_images, update_moments
from numbanorm.jit.norms import affine, backward, moments, normalize, update_running
from numbanorm.kernels.tiles import batch_view, group_view, instance_view, row_view
from numbanorm.threads import workers

__all__ = [
    "EPS",
    "MEMORY",
    "OK",
    "SCALE",
    "SIZE",
    "affine",
    "backward",
    "batch_view",
    "bfloat16",
    "float16",
    "group_view",
    "instance_view",
    "moments",
    "normalize",
    "normalize_images",
    "num_threads",
    "row_view",
    "update_moments",
    "update_running",
]

OK, SIZE, EPS, MEMORY = map(int, (Status.OK, Status.SIZE, Status.EPS, Status.MEMORY))
SCALE = int(Status.SCALE)

# The threads that help; the first large call from Python would make them, too.
workers.serve_c()
