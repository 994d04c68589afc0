"""What this site does beyond its extensions: docstrings made ready for it, and Chinese pages."""

from typing import Any

from sphinx.application import Sphinx


def uncompiled(app: Sphinx, config: Any) -> None:
    """Let autodoc see the Python functions that Numba would compile."""
    from numbanorm import jit

    for name in jit.__all__:
        function = getattr(getattr(jit, name), "py_func", None)
        if function is not None:
            setattr(jit, name, function)


def readable(app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Let Sphinx read what `help` shows: shapes with a star, and sections of modules."""
    lines[:] = [line.replace("*normalized_shape", r"\*normalized_shape") for line in lines]
    if what == "module" and "Examples" in lines:
        at = lines.index("Examples")
        lines[at : at + 2] = [".. rubric:: Examples", ""]


def unsigned(
    app: Sphinx, what: str, name: str, item: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Leave out the arguments of modules, which are torch's: torch need not be there."""
    return ("", "") if what == "class" and name.startswith("numbanorm.torch.") else None


def chinese(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Say of the pages below zh/ that they are Chinese."""
    if page.startswith("zh/"):
        context["language"] = "zh-CN"


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect all."""
    app.connect("config-inited", uncompiled)
    app.connect("autodoc-process-docstring", readable)
    app.connect("autodoc-process-signature", unsigned)
    app.connect("html-page-context", chinese)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
