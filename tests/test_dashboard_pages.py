"""The published dashboard, as files and in Chromium with no network."""

import threading
from pathlib import Path

import browser
import pytest
from dashboard_results import BENCHMARKS, write_project

from asv_bench.dashboard import vendor
from asv_bench.dashboard.__main__ import main
from asv_bench.dashboard.errors import DownloadError
from asv_bench.dashboard.pins import PINS
from asv_bench.dashboard.publish import server

CACHE = Path(__file__).parent.parent / "asv_bench" / "vendor"


@pytest.fixture(scope="session")
def libraries():
    """Return the folder of the pinned libraries' tarballs, the one that publishing uses."""
    try:
        vendor.fetch(PINS, CACHE)
    except DownloadError as error:
        pytest.skip(str(error))
    return CACHE


@pytest.fixture(scope="session")
def site(tmp_path_factory, libraries):
    """Publish a small project; returns the folder."""
    pytest.importorskip("asv", reason="asv is not installed")
    config = write_project(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch:
        # All libraries are in the folder now, so this must need neither npm nor a network.
        patch.setattr(vendor.shutil, "which", lambda name: None)
        assert main(["publish", "--config", str(config), "--cache", str(libraries)]) == 0
    return config.parent / "html"


@pytest.fixture
def page(chromium, site):
    """Open a page on the served site; whatever fails on it fails the test."""
    with server(site, 0) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{served.server_port}/"
        with browser.watched(chromium, base, base_url=base) as page:
            yield page
        served.shutdown()


def test_published_folder_has_the_licences(site):
    licences = [path.name for path in site.glob("vendor/*/*") if path.name.startswith("LICENSE")]
    assert len(licences) == len(PINS) - 1  # one package states it in package.json
    assert (site / PINS[2].folder / PINS[2].licence).exists()


def test_grid_has_a_plot_of_each_benchmark(page):
    page.goto("/")
    page.wait_for_function("n => document.querySelectorAll('canvas.flot-base').length === n", arg=5)
    assert page.locator(".benchmark-container").count() == len(BENCHMARKS)


def test_graph_of_a_benchmark(page):
    page.goto("/#norms.BatchRatio.track_memory")
    page.wait_for_selector("#main-graph canvas.flot-base")
    assert "layout-NHWC" in page.locator("#main-graph .legend").inner_text()
    assert page.locator("#title").inner_text() == "norms.BatchRatio.track_memory"


def test_regressions_name_the_step_in_time_and_no_ratio(page):
    page.goto("/#/regressions")
    table = page.locator("#regressions-body table").first
    table.wait_for()
    assert "startup.SmallCall.time_small" in table.inner_text()
    assert "track_" not in table.inner_text()
    page.get_by_text("Factor").first.click()  # sorts by the plug-in for tables


def test_overview_is_one_click_from_the_grid_and_back(page):
    page.goto("/")
    page.get_by_role("link", name="Overview").click()
    assert page.locator("section").count() == 3
    page.locator("summary").first.click()
    assert page.locator("details[open] svg rect.bar").first.is_visible()
    page.get_by_role("link", name="Regressions").click()
    page.locator("#regressions-body table").first.wait_for()


def test_overview_opens_from_its_file(chromium, site):
    page = chromium.new_page(color_scheme="dark")
    page.goto((site / "overview.html").as_uri())
    assert page.locator("svg").first.bounding_box()["width"] > 500
    page.close()
