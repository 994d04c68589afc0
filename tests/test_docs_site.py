"""The documentation's site: built without a warning, and read from disk without a network."""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import browser
import pages
import pytest

NEEDED = "sphinx", "myst_parser", "numpydoc", "pydata_sphinx_theme", "sphinx_gallery"
WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
SEEN = "index", "norms", "api", "api/jit", "generated/numbanorm.batch_norm", "gotchas"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Build the site from a copy, which has nothing that an earlier build made."""
    for name in (*NEEDED, "latex2mathml", "matplotlib"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed: it is in the extra docs")
    root = tmp_path_factory.mktemp("site")
    for path in pages.ROOT.iterdir():
        if path.name != "docs":
            (root / path.name).symlink_to(path)
    shutil.copytree(pages.DOCS, root / "docs", ignore=shutil.ignore_patterns(*pages.MADE))
    options = "-W --keep-going -q -b html docs out".split()
    command = [sys.executable, "-m", "sphinx", *options]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return root / "out"


def uri(site, page):
    return (site / f"{page}.html").as_uri()


@pytest.fixture
def window(chromium, site):
    """A wide window that may read files of the site, and nothing else."""
    with browser.watched(chromium, site.as_uri(), viewport=WIDE) as page:
        yield page


def test_nothing_is_loaded_from_elsewhere(site):
    loading = r"<(?:script|img|iframe|source)[^>]*\bsrc=|<link[^>]*\bhref=|\burl\(|@import "
    for path in (*site.rglob("*.html"), *site.rglob("*.css")):
        found = re.findall(rf"(?:{loading})[\"']?(?:https?:)?//[^\s>]*", path.read_text("utf-8"))
        assert not found, path.name


def test_every_public_name_has_an_entry(site):
    import numbanorm as nbn

    entries = (site / "genindex.html").read_text("utf-8")
    for name in nbn.__all__:
        assert f"#numbanorm.{name}" in entries, name


@pytest.mark.parametrize("page", SEEN)
def test_page_opens_from_disk(window, site, page):
    window.goto(uri(site, page))
    assert window.locator("h1").first.is_visible()


def test_every_page_is_in_the_sidebar(window, site):
    window.goto(uri(site, "index"))
    listed = window.locator("#pst-primary-sidebar a.reference").evaluate_all(
        "links => links.map(a => a.getAttribute('href'))"
    )
    for page in pages.DOCS.glob("*.md"):
        assert page.stem == "index" or f"{page.stem}.html" in listed


def test_search_finds_from_disk(window, site):
    window.goto(uri(site, "index"))
    window.keyboard.press("Control+k")
    window.locator("#pst-search-dialog input").fill("momentum")
    window.keyboard.press("Enter")
    window.locator("#search-results li a", has_text="numbanorm.batch_norm").first.wait_for()


def test_formulas_are_mathml(window, site):
    window.goto(uri(site, "norms"))
    assert window.locator("math").count() > 0


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_nothing_is_wider_than_the_window(chromium, site, size):
    folders = "", "api/", "auto_gallery/", "zh/"
    with browser.watched(chromium, site.as_uri(), viewport=size) as window:
        for page in [path for folder in folders for path in site.glob(f"{folder}*.html")]:
            window.goto(page.as_uri())
            width = window.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"], page.name
