"""`numbanorm.mpi` on ranks that are processes, each test in programs of its own."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import processes
import pytest

HERE = Path(__file__).parent

# Beside the interpreter, where a wheel of MPI puts it, or the system's own.
MPIEXEC = shutil.which(
    "mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
)

# Open MPI refuses root, and more ranks than cores, unless told.
PERMISSIONS = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
}

needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpi4py and an MPI with mpiexec",
)


def ranks(count, *arguments):
    done = subprocess.run(
        [MPIEXEC, "-n", str(count), sys.executable, *map(str, arguments)],
        env=os.environ | PERMISSIONS,
        cwd=processes.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_mpi
@pytest.mark.parametrize("count", [1, 2, 4])
def test_ranks_do_what_one_process_does(count):
    found = ranks(count, HERE / "mpi_program.py").splitlines()
    assert found == [f"rank {rank} of {count}" for rank in range(count)]


@needs_mpi
def test_the_example_of_its_documentation():
    ranks(1, "-m", "doctest", processes.ROOT / "numbanorm" / "mpi.py")


def test_without_mpi4py_the_error_says_what_to_install():
    code = """
import sys
sys.modules["mpi4py"] = None
try:
    import numbanorm.mpi
except ImportError as error:
    assert "pip install 'numbanorm[mpi]'" in str(error), error
"""
    processes.run(code)
