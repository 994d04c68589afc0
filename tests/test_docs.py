"""The pages of the documentation, as they stand in the repository."""

import hashlib
import re

import pages
import pytest

from numbanorm.experiment import results
from numbanorm.threads import counts

NEEDED = "dask", "torch", "scipy", "pandas", "xarray", "matplotlib", "PIL", "zarr"


def with_python():
    """Yield the pages that have Python, those that need PyTorch marked."""
    for page in pages.pages():
        code = pages.python(page.read_text("utf-8"))
        if code.strip():
            marks = pytest.mark.peers if imports(code, "torch") else ()
            yield pytest.param(page, id=pages.name(page), marks=marks)


def imports(code, module):
    return re.search(rf"^\s*(import|from) (numbanorm\.)?{module}\b", code, re.M)


@pytest.mark.parametrize("page", list(with_python()))
def test_python_on_pages_runs(page, tmp_path, monkeypatch):
    code = pages.python(page.read_text("utf-8"))
    for module in NEEDED:
        if imports(code, module):
            pytest.importorskip(module, reason=f"{module} is not installed")
    # A file, so that tracebacks show its lines, and Numba finds what it compiles.
    path = tmp_path / f"{page.stem}.py"
    path.write_text(code, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setattr(counts, "_chosen", counts._chosen)  # what a page sets ends with it
    exec(compile(code, str(path), "exec"), {"__name__": "__main__", "__file__": str(path)})


def test_every_block_of_python_is_found():
    page = "# T\n```python\na\n```\n\n<!-- not run: MPI -->\n```python\nb\n```\n```bash\nc\n```\n"
    assert pages.python(page).split() == ["a"]
    assert pages.python(page).splitlines()[2] == "a"


@pytest.mark.parametrize("page", pages.pages(), ids=pages.name)
def test_links_lead_to_what_there_is(page):
    for path, heading in pages.links(page):
        assert path.exists(), path
        if heading:
            assert heading in pages.headings(path), f"{path}#{heading}"


def test_pages_and_their_translations_link_each_other():
    pairs = [(pages.DOCS / one.name, one) for one in (pages.DOCS / "zh").glob("*.md")]
    chinese = pages.ROOT / "README.zh.md"
    pairs += [(pages.ROOT / "README.md", chinese)] if chinese.exists() else []
    for english, other in pairs:
        for page, partner in ((english, other), (other, english)):
            top = "\n".join(page.read_text("utf-8").splitlines()[:6])
            found = [(page.parent / target).resolve() for target in pages.LINK.findall(top)]
            assert partner in found, f"{pages.name(page)} lacks {pages.name(partner)}"


def test_every_page_is_on_the_index():
    listed = {path for path, _ in pages.links(pages.DOCS / "index.md")}
    for page in (*pages.DOCS.glob("*.md"), *(pages.DOCS / "zh").glob("*.md")):
        assert page in listed or page.name == "index.md", pages.name(page)


@pytest.mark.parametrize("page", sorted(pages.ROOT.glob("README*.md")), ids=pages.name)
def test_readme_is_short(page):
    assert len(page.read_text("utf-8").splitlines()) < 200


def test_picture_of_axes_is_its_scripts():
    script = pages.DOCS / "gallery" / "plot_axes.py"
    picture = (pages.DOCS / "pictures" / "axes.svg").read_text("utf-8")
    source = hashlib.sha256(script.read_bytes()).hexdigest()
    assert source in picture, "run `python docs/gallery/plot_axes.py docs/pictures/axes.svg`"


def test_results_of_the_experiment_can_be_read():
    found = results.load(str(pages.DOCS / "data" / "experiment.json"))
    assert found.about["seeds"] >= 2
