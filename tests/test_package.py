"""The package as installed: what importing costs, what README and CHANGELOG say."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

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


PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if "```python" in path.read_text("utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_on_pages_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S):
        missing = [one for one in ("dask", "torch") if one in block and find_spec(one) is None]
        if missing:
            pytest.skip(f"needs {missing[0]}")
        exec(compile(block, page.name, "exec"), {})


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
