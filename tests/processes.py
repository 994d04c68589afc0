"""Programs that tests run in interpreters of their own, with warnings as errors."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def start(code, *arguments, options=("-W", "error"), environment=None, **keywords):
    """Start a program, code or a file; None removes a variable from its environment."""
    changed = os.environ | (environment or {})
    program = [str(code)] if isinstance(code, Path) else ["-c", code]
    return subprocess.Popen(
        [sys.executable, *options, *program, *map(str, arguments)],
        env={name: value for name, value in changed.items() if value is not None},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"cwd": ROOT} | keywords,
    )


def finish(process, timeout=120):
    """Wait for a program, which must succeed; returns what it printed."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it hangs: {out}{err}") from None
    assert process.returncode == 0, f"status {process.returncode}: {out}{err}"
    return out


def run(code, *arguments, timeout=120, **keywords):
    """Run a program, which must succeed; returns what it printed."""
    return finish(start(code, *arguments, **keywords), timeout)
