"""The package as installed: what importing costs, what README and CHANGELOG say."""

import re
import subprocess
import sys
from pathlib import Path

import numbanorm as nbn

ROOT = Path(__file__).parent.parent


def fresh(code):
    """Run code in a new interpreter, with warnings as errors; returns what it printed."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_import_leaves_numba_alone():
    heavy = ("numba", "llvmlite", "torch", "matplotlib", "cffi")
    code = f"import sys, numbanorm; print([m for m in {heavy} if m in sys.modules])"
    assert fresh(code).strip() == "[]"


def test_readme_names_only_what_exists():
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"nbn\.(\w+)", text):
        assert hasattr(nbn, name), name


def test_changelog_has_this_version():
    assert f"## [{nbn.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_all_is_documented():
    for name in nbn.__all__:
        if name.isupper():
            continue
        text = getattr(nbn, name).__doc__
        assert text and "Examples" in text, name
