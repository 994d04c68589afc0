"""What this site does beyond its extensions: functions for Numba's users, and Chinese pages."""

from typing import Any

from sphinx.application import Sphinx


def uncompiled(app: Sphinx, config: Any) -> None:
    """Let autodoc see the Python functions that Numba would compile."""
    from numbanorm import jit

    for name in jit.__all__:
        function = getattr(getattr(jit, name), "py_func", None)
        if function is not None:
            setattr(jit, name, function)


def chinese(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Say of the pages below zh/ that they are Chinese."""
    if page.startswith("zh/"):
        context["language"] = "zh-CN"


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect both."""
    app.connect("config-inited", uncompiled)
    app.connect("html-page-context", chinese)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
