"""The dashboard's parts: links, pinned libraries, commands."""

import base64
import hashlib
import tarfile
from dataclasses import replace

import pytest

from asv_bench.dashboard import vendor
from asv_bench.dashboard.__main__ import main
from asv_bench.dashboard.errors import DashboardError, DownloadError
from asv_bench.dashboard.links import MENU, link_overview, localise
from asv_bench.dashboard.pins import PINS, Pin

# Every way that asv's pages link, and a link for readers.
PAGE = """<html><head>
<script src="https://cdn.example/jquery-3.3.1.min.js" integrity="sha256-x=" crossorigin="anonymous"
 referrerpolicy="no-referrer" onerror="js_load_failure()"></script>
<link rel='stylesheet' href='//cdn.example/bootstrap@3.1.1/dist/css/bootstrap.min.css' crossorigin>
<script src="asv.js"></script>
</head><body><a href="https://example.org/">asv</a></body></html>
"""
LINKS = {
    "/jquery-3.3.1.min.js": "vendor/jquery.js",
    "/bootstrap@3.1.1/dist/css/bootstrap.min.css": "vendor/bootstrap.css",
}


def write_site(folder, **files):
    """Write NAME_SUFFIX=text as NAME.SUFFIX."""
    for name, text in files.items():
        (folder / ".".join(name.rsplit("_", 1))).write_text(text)
    return folder


def test_known_links_become_local(tmp_path):
    localise(write_site(tmp_path, index_html=PAGE), LINKS)
    page = (tmp_path / "index.html").read_text()
    assert '<script src="vendor/jquery.js"\n onerror="js_load_failure()">' in page
    assert "<link rel='stylesheet' href='vendor/bootstrap.css'>" in page
    assert '<a href="https://example.org/">' in page
    assert "cdn.example" not in page and "integrity" not in page and "crossorigin" not in page


def test_links_of_a_page_in_a_folder_go_up(tmp_path):
    (tmp_path / "sub").mkdir()
    localise(write_site(tmp_path / "sub", page_html=PAGE).parent, LINKS)
    assert 'src="../vendor/jquery.js"' in (tmp_path / "sub" / "page.html").read_text()


@pytest.mark.parametrize(
    "files",
    [
        {"index_html": '<script src="https://cdn.example/jquery-4.0.0.min.js"></script>'},
        {"index_html": "<link href=//cdn.example/new.css>"},
        {"error_html": '<img alt="" src="http://cdn.example/a.png">'},
        {"asv_css": "@font-face { src: url(//cdn.example/a.woff) }"},
        {"asv_js": "$.getScript('https://cdn.example/a.js')"},
    ],
    ids=lambda files: next(iter(files)),
)
def test_unknown_remote_link_is_an_error(tmp_path, files):
    name = ".".join(next(iter(files)).rsplit("_", 1))
    with pytest.raises(DashboardError, match=rf"^{name} must link only to .*pins\.py, got .*cdn\."):
        localise(write_site(tmp_path, **files), LINKS)


def test_asv_menu_gets_the_overview(tmp_path):
    link_overview(write_site(tmp_path, index_html=f"<ul>{MENU}</li></ul>"))
    assert '<a href="overview.html">' in (tmp_path / "index.html").read_text()
    with pytest.raises(DashboardError, match=r"must contain .* once, got 0"):
        link_overview(write_site(tmp_path, index_html="<ul></ul>"))


def test_wrong_tarball_is_refused(tmp_path):
    (tmp_path / PINS[0].tarball).write_bytes(b"not it")
    with pytest.raises(DashboardError, match=r"must have integrity sha512-Ubld.*, got sha512-"):
        vendor.fetch(PINS[:1], tmp_path)


def test_pin_must_name_files_of_the_package(tmp_path):
    path = tmp_path / "a-1.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("package/LICENSE"))
    digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    pin = Pin("a", "1", f"sha512-{digest}", "LICENSE", {"/a@1/a.js": "a.js"})
    with pytest.raises(DashboardError, match=r"a-1\.tgz must contain the file package/a\.js"):
        vendor.lay_out([pin], tmp_path, tmp_path)
    pin = replace(pin, files={"/a@1/a.js": "LICENSE"})
    assert vendor.lay_out([pin], tmp_path, tmp_path / "b") == {"/a@1/a.js": "vendor/a-1/LICENSE"}


def test_missing_npm_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(vendor.shutil, "which", lambda name: None)
    with pytest.raises(DownloadError, match=r"npm must be on the PATH to fetch jquery@3\.3\.1"):
        vendor.fetch(PINS[:1], tmp_path)


def test_pins_are_whole():
    links = [link for pin in PINS for link in pin.files]
    assert len(set(links)) == len(links)
    for pin in PINS:
        assert pin.integrity.startswith("sha512-") and len(pin.integrity) == 95


def test_commands_report_what_is_wrong(tmp_path, capsys):
    pytest.importorskip("asv", reason="asv is not installed")
    assert main(["serve", "--config", str(tmp_path / "none.json")]) == 1
    assert "error: --config must name asv's configuration" in capsys.readouterr().err
    config = tmp_path / "asv.conf.json"
    config.write_text('{"project": "numbanorm", "repo": "."}')
    assert main(["serve", "--config", str(config)]) == 1
    assert "must hold a published dashboard" in capsys.readouterr().err
