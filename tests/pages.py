"""The pages of the documentation: their blocks of Python, their headings and their links."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
# Made when the site is built.
MADE = "auto_gallery", "generated", "_build"

FENCE = re.compile(r"(```+|~~~+|:::+)\s*(\S*)")
NOT_RUN = re.compile(r"<!-- not run: .+ -->")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def pages():
    """Return all pages, README first."""
    found = [path for path in DOCS.rglob("*.md") if not set(path.parts) & set(MADE)]
    return sorted(ROOT.glob("README*.md")) + sorted(found)


def name(page):
    """Return a page's path within the repository."""
    return page.relative_to(ROOT).as_posix()


def python(text):
    """Return the Python of a page, each line where it is on the page, other lines empty.

    Blocks are left out that the line before them says are not run, and why.
    """
    kept, block, before = [], None, ""
    for line in text.splitlines():
        found = FENCE.match(line)
        if block is None and found:
            runs = found[2] == "python" and not NOT_RUN.fullmatch(before.strip())
            block = found[1], runs
            kept.append("")
        elif block is not None and line.strip() == block[0]:
            block = None
            kept.append("")
        else:
            kept.append(line if block is not None and block[1] else "")
        before = line if line.strip() else before
    return "\n".join(kept) + "\n"


def prose(text):
    """Return a page without its blocks and its code."""
    kept, fence = [], None
    for line in text.splitlines():
        found = FENCE.match(line)
        if fence is None and found:
            fence = found[1]
        elif fence is not None and line.strip() == fence:
            fence = None
        elif fence is None:
            kept.append(re.sub(r"`[^`]*`", "``", line))
    return "\n".join(kept)


def links(page):
    """Return where a page's links lead: (file, heading or nothing), those within the repository."""
    found = []
    for target in LINK.findall(prose(page.read_text("utf-8"))):
        if not re.match(r"[a-z]+:", target):
            path, _, heading = target.partition("#")
            found.append(((page.parent / path).resolve() if path else page, heading))
    return found


def headings(page):
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    text = page.read_text("utf-8")
    found = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", one.strip().lower()).replace(" ", "-") for one in found}
