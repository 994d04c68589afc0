"""`numbanorm stats` needs no more memory for more data."""

import numpy as np
import pytest
from processes import run
from stats_files import Image

CODE = """
import resource, sys
from numbanorm import cli
used = []
for path in sys.argv[2:]:
    assert cli.main(["stats", path, "--threads", "2"]) == 0
    used.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
assert used[1] - used[0] < int(sys.argv[1]), used
"""


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_memory_does_not_grow_with_the_file(suffix, tmp_path):
    """192 MB, of which 10 MB may be in memory at once."""
    x = np.zeros((64, 1000, 1000, 3), np.uint8)
    save = {".npy": np.save, ".npz": np.savez_compressed}[suffix]
    save(tmp_path / f"x{suffix}", x)
    save(tmp_path / f"small{suffix}", x[:8])
    del x
    run(CODE, 40_000, tmp_path / f"small{suffix}", tmp_path / f"x{suffix}")


def test_memory_does_not_grow_with_the_files(tmp_path):
    """Of 100 images, 8 MB each when they are decoded."""
    image = Image.fromarray(np.zeros((2000, 4000), np.uint8))
    for folder, count in ("few", 10), ("many", 100):
        (tmp_path / folder).mkdir()
        image.save(tmp_path / folder / "0.png")
        for i in range(1, count):
            (tmp_path / folder / f"{i}.png").hardlink_to(tmp_path / folder / "0.png")
    run(CODE, 40_000, tmp_path / "few", tmp_path / "many")
