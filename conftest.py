"""Modules whose examples are not run: what these need may not be installed, or wants a process."""

from importlib.util import find_spec

# MPI's are run by tests/test_mpi.py, and PyInstaller's hook by PyInstaller.
collect_ignore = ["numbanorm/mpi.py"]
if find_spec("dask") is None:
    collect_ignore.append("numbanorm/dask")
