"""asv benchmarks of numbanorm.

Compiled kernels are kept beside the environment that they were compiled in. numbanorm names them by
a digest of its own source, so that commits which share an environment never share code; it must be
said here, before anything imports Numba, which reads it once.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(sys.prefix) / "numbanorm-kernels"))

# asv forks a process for each combination of parameters from one that has read these files: what
# takes a second to import is imported here, once. No threads start by that.
try:
    from numbanorm.calls import lookup

    lookup.kernels()
except ImportError:  # A commit before there were `calls`.
    from numbanorm import _run

    getattr(_run, "_kernels", lambda: None)()
