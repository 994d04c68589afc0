"""Modules whose examples are not run: what these need may not be installed, or wants a process."""

from importlib.util import find_spec

# MPI's are run by tests/test_mpi.py, and PyInstaller's hook by PyInstaller.
collect_ignore = ["numbanorm/mpi.py"]
collect_ignore += [f"numbanorm/{name}" for name in ("dask", "torch") if find_spec(name) is None]
