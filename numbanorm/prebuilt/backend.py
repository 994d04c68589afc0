"""How wheels are built (PEP 517): by setuptools, and on request with the library of kernels inside.

``python -m build --wheel -C kernels=prebuilt`` makes a wheel for Linux on x86-64 that needs no
Numba: what only `numbanorm.jit`, `numbanorm capi` and the like need is the extra ``jit`` there.
``-C targets=x86-64-v3,x86-64`` names the instruction sets, ``native`` that of this machine; all if
not given.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import build_editable as build_editable
from setuptools.build_meta import build_sdist as build_sdist
from setuptools.build_meta import get_requires_for_build_editable as get_requires_for_build_editable
from setuptools.build_meta import get_requires_for_build_sdist as get_requires_for_build_sdist
from setuptools.build_meta import (
    prepare_metadata_for_build_editable as prepare_metadata_for_build_editable,
)

TAG = "py3-none-manylinux_2_28_x86_64"

Settings = dict[str, Any] | None


def _wanted(settings: Settings) -> bool:
    """Return whether the library is asked for."""
    kernels = (settings or {}).get("kernels", "jit")
    if kernels not in ("jit", "prebuilt"):
        raise ValueError(f"kernels must be 'jit' or 'prebuilt', got {kernels!r}")
    return bool(kernels == "prebuilt")


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Return what must be installed to build a wheel."""
    if not _wanted(config_settings):
        return list(build_meta.get_requires_for_build_wheel())
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
    return [*build_meta.get_requires_for_build_wheel(), *project["dependencies"], "wheel>=0.40"]


def prepare_metadata_for_build_wheel(folder: str, config_settings: Settings = None) -> str:
    """Write a wheel's metadata into a folder; returns their own folder's name."""
    name = str(build_meta.prepare_metadata_for_build_wheel(folder))
    if _wanted(config_settings):
        _without_numba(Path(folder, name, "METADATA"))
    return name


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Write a wheel into a folder; returns its name."""
    if not _wanted(config_settings):
        return str(build_meta.build_wheel(wheel_directory, None, metadata_directory))
    from wheel.wheelfile import WheelFile

    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        plain = build_meta.build_wheel(temporary)
        tree = work / "tree"
        with WheelFile(work / plain) as wheel:
            wheel.extractall(tree)
        _add_library(tree / "numbanorm" / "prebuilt", (config_settings or {}).get("targets", ""))
        (described,) = tree.glob("*.dist-info")
        _without_numba(described / "METADATA")
        _tag(described / "WHEEL")
        name = f"{described.name.removesuffix('.dist-info')}-{TAG}.whl"
        with WheelFile(work / name, "w") as wheel:
            wheel.write_files(tree)
        shutil.copy2(work / name, wheel_directory)
    return name


def _add_library(folder: Path, targets: str) -> None:
    building = [sys.executable, "-m", "numbanorm.prebuilt.building", str(folder)]
    subprocess.run([*building, *filter(None, targets.split(","))], check=True)


def _without_numba(metadata: Path) -> None:
    """Leave Numba to the extra that names it."""
    lines = metadata.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("Requires-Dist: numba") or ";" in line]
    metadata.write_text("".join(kept), "utf-8")


def _tag(described: Path) -> None:
    """Say that a wheel is for one platform."""
    lines = described.read_text("utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("Root-Is-Purelib:", "Tag:"))]
    text = "\n".join([*kept, "Root-Is-Purelib: false", f"Tag: {TAG}"])
    described.write_text(text + "\n", "utf-8")
