"""Modules whose docstrings need what may not be installed: their examples are then left out."""

from importlib.util import find_spec

OPTIONAL = {"numbanorm/dask.py": "dask", "numbanorm/_dask_lazy.py": "dask"}

collect_ignore = [path for path, library in OPTIONAL.items() if find_spec(library) is None]
