"""What PyInstaller asks, by the package's entry point, to put numbanorm into a program."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the folders of hooks."""
    return [str(Path(__file__).parent)]
