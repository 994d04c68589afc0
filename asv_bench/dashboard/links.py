"""Point asv's pages at local files, and refuse any that would still reach for the network."""

import re
from pathlib import Path

from .errors import DashboardError

# Any element but <a>, which fetches nothing before a reader follows it.
ELEMENT = re.compile(r"<(?!a\b)[a-z][^<>]*>", re.IGNORECASE)
ANCHOR = re.compile(r"<a\b[^<>]*>", re.IGNORECASE)
# An address with a scheme anywhere, or one without where a page, style or script would quote it.
REMOTE = re.compile(r"""(?:https?:|(?<=["'(=]))//[^\s"'<>)]+""", re.IGNORECASE)
# What guards a remote file: another file, of the same origin, would fail or ignore it.
GUARDS = re.compile(r"""\s(?:integrity|crossorigin|referrerpolicy)(?:="[^"]*"|='[^']*')?""")

# Before this element of asv's menu goes the link to our page.
MENU = '<li id="nav-li-graphdisplay">'
OVERVIEW = '<li><a href="overview.html">Overview</a></li>\n        '


def localise(site: Path, links: dict[str, str]) -> None:
    """Rewrite every page under a published folder, and check every page, style and script.

    `links` maps the end of a remote link to a path in that folder.
    """
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site)
        if path.suffix not in (".html", ".js", ".css") or name.parts[0] == "vendor":
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".html":
            up = "../" * (len(name.parts) - 1)
            text = rewrite(text, {link: up + local for link, local in links.items()})
            path.write_text(text, encoding="utf-8")
            text = ANCHOR.sub("", text)
        refuse_remote(text, name.as_posix())


def rewrite(page: str, links: dict[str, str]) -> str:
    """Return a page whose known remote links are local ones; others stay as they are."""

    def local(match: re.Match[str]) -> str:
        element = match[0]
        for remote in REMOTE.findall(element):
            for end, path in links.items():
                if remote.endswith(end):
                    return GUARDS.sub("", element.replace(remote, path))
        return element

    return ELEMENT.sub(local, page)


def refuse_remote(text: str, name: str) -> None:
    """Raise DashboardError if a page, style or script names an address on the network."""
    found = REMOTE.search(text)
    if found:
        raise DashboardError(
            f"{name} must link only to libraries pinned in asv_bench/dashboard/pins.py, "
            f"got {found[0]}; asv's version may have changed: add or update the pin"
        )


def link_overview(site: Path) -> None:
    """Add our page to the menu of asv's."""
    index = site / "index.html"
    page = index.read_text(encoding="utf-8")
    if page.count(MENU) != 1:
        raise DashboardError(f"{index.name} must contain {MENU} once, got {page.count(MENU)}")
    index.write_text(page.replace(MENU, OVERVIEW + MENU), encoding="utf-8")
