"""The documentation's site: `sphinx-build -W -b html docs OUT`, with `pip install -e '.[docs]'`.

Its pages open from disk and ask no network for anything: formulas are MathML (`_ext/mathml.py`),
and the theme brings its own icons.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import numbanorm  # noqa: E402

project = "numbanorm"
copyright = "2026, numbanorm developers"
version = release = numbanorm.__version__
language = "en"

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "extras",
]
exclude_patterns = ["gallery", "data", "auto_gallery/*.ipynb"]
templates_path = ["_templates"]

# A role that leads nowhere is an error. What stands between single backticks in docstrings is a
# link where there is such a name, else it is code.
nitpicky = True
nitpick_ignore_regex = [("py:obj", ".*")]
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# The API, from docstrings. Their sections name the types, so signatures don't.
autodoc_mock_imports = ["dask", "mpi4py", "torch"]
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autosummary_ignore_module_all = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

sphinx_gallery_conf = {
    "examples_dirs": ["gallery"],
    "gallery_dirs": ["auto_gallery"],
    "filename_pattern": "plot_",
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),
    "notebook_extensions": set(),
    "download_all_examples": False,
    "image_srcset": ["2x"],
    "min_reported_time": float("inf"),
    "write_computation_times": False,
    "remove_config_comments": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "numbanorm"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
# From disk, scripts may not read the pages that summaries would be cut from.
html_show_search_summary = False
html_context = {"default_mode": "auto"}
html_sidebars = {"**": ["site-nav.html"]}
html_theme_options = {
    "logo": {"text": "numbanorm"},
    "navbar_center": ["site-links"],
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button-field"],
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "primary_sidebar_end": [],
    "footer_start": ["copyright"],
    "footer_end": [],
}
