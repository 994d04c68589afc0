"""Publish: asv's pages, their libraries, and the overview, in one folder; and serve it."""

import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .errors import DashboardError
from .links import link_overview, localise
from .overview import overview
from .pins import PINS
from .results import load
from .vendor import fetch, lay_out


@dataclass(frozen=True)
class Config:
    """What the dashboard needs of an asv.conf.json."""

    path: Path
    project: str
    results: Path
    site: Path

    @classmethod
    def read(cls, path: Path) -> "Config":
        """Read the file as asv does, comments included."""
        try:
            from asv.util import load_json
        except ImportError:
            raise DashboardError("asv must be installed (pip install asv), found none") from None
        if not path.is_file():
            raise DashboardError(f"--config must name asv's configuration, got {path}")
        given, folder = load_json(str(path), js_comments=True), path.resolve().parent
        return cls(
            path.resolve(),
            given["project"],
            folder / given.get("results_dir", "results"),
            folder / given.get("html_dir", "html"),
        )


def publish(config: Config, cache: Path) -> None:
    """Write the whole dashboard into the configuration's html folder."""
    fetch(PINS, cache)
    command = [sys.executable, "-m", "asv", "publish", "--config", str(config.path)]
    if subprocess.run(command).returncode:
        raise DashboardError("asv publish must succeed, see its message above")
    localise(config.site, lay_out(PINS, cache, config.site))
    link_overview(config.site)
    page = overview(config.project, load(config.results))
    (config.site / "overview.html").write_text(page, encoding="utf-8")


class Handler(SimpleHTTPRequestHandler):
    """Static files, with no line on the terminal for each."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of a published folder, for this machine only; port 0 takes a free one."""
    if not (site / "overview.html").exists():
        raise DashboardError(f"{site} must hold a published dashboard, found no overview.html")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(site)))
    except OSError as error:
        raise DashboardError(f"--port must be free, got {port}: {error.strerror}") from None
