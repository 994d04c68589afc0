"""The functions of threads, as Python starts, ends and times them: compiled together."""

from numba.core import types

from numbanorm.kernels.compile import bundles
from numbanorm.kernels.threads import openmp, pool

_ADDRESS, _NUMBER, _NOTHING = types.voidptr, types.int64, types.void()
_LAUNCHER = types.void(_ADDRESS, _ADDRESS, _NUMBER)

ENTRIES: bundles.Entries = {
    "nbn_serve": (pool.serve, types.void(_ADDRESS)),
    "nbn_start": (pool.start, _LAUNCHER),
    "nbn_stop": (pool.stop, _NOTHING),
    "nbn_resume": (pool.resume, _NOTHING),
    "nbn_idle": (pool.idle, types.void(_NUMBER)),
    "nbn_openmp_start": (openmp.start, _LAUNCHER),
}


def addresses() -> dict[str, int]:
    """Return where they are, compiled or loaded from the cache."""
    found: dict[str, int] = bundles.addresses("threads", lambda: ENTRIES, list(ENTRIES))
    return found
