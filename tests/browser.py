"""A browser without a network, and pages that note what goes wrong on them."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def offline():
    """Start Chromium, playwright's or the system's, with no way to any host but this one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    with sync_api.sync_playwright() as play:
        own = play.chromium.executable_path
        path = own if Path(own).exists() else next(filter(None, map(shutil.which, names)), None)
        if path is None:
            pytest.skip("no Chromium: `playwright install chromium`, or the system's package")
        rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        browser = play.chromium.launch(executable_path=path, args=[rules])
        yield browser
        browser.close()


@contextmanager
def watched(chromium, base, **options):
    """Open a page whose requests may go to addresses below base; what fails fails the test."""
    problems = []

    def note(*what):
        # What needs no request is no problem.
        if not any(str(one).startswith("data:") for one in what):
            problems.append(what)

    page = chromium.new_page(**options)
    page.set_default_timeout(60_000)  # a busy machine is no failure
    page.on("request", lambda r: r.url.startswith(base) or note("remote", r.url))
    # A request that is under way when the next page is opened is aborted, and no problem.
    page.on(
        "requestfailed",
        lambda r: r.failure == "net::ERR_ABORTED" or note("failed", r.url, r.failure),
    )
    page.on("response", lambda r: r.status < 400 or note(r.status, r.url))
    page.on("pageerror", lambda error: note("error", error))
    page.on("console", lambda m: m.type == "error" and note("console", m.text))
    yield page
    page.close()
    assert problems == []
