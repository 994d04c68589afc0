"""Object files of the C functions: ``python -m numbanorm.cabi.objects KIND,... FOLDER TARGET...``.

The shared library runs this in a process of its own for each type, side by side. The first target's
functions end in ``_0``, the second's in ``_1``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from numbanorm.cabi.compiling import entries
from numbanorm.kernels.compile import objects

if __name__ == "__main__":
    targets = {target: f"_{number}" for number, target in enumerate(sys.argv[3:])}
    for kind in sys.argv[1].split(","):
        objects.write(kind, entries(kind), Path(sys.argv[2]), targets, "hidden")
