"""An object file of C functions: ``python -m numbanorm.cabi.objects KIND FOLDER TARGET NUMBER``.

Their names end in the target's number.
"""

from __future__ import annotations

import sys
from pathlib import Path

from numbanorm.cabi.compiling import entries
from numbanorm.kernels.compile import objects

if __name__ == "__main__":
    kind, folder, target, number = sys.argv[1:]
    objects.write(kind, entries(kind), Path(folder), target, f"_{number}", "hidden")
