"""Modules import downwards only, so that a call is read from the top to the bottom."""

import ast

import processes
import pytest

PACKAGE = processes.ROOT / "numbanorm"

# Each imports those before it only. The kernels' own order is in `test_kernel_modules.py`.
ORDER = [
    "_status",
    "_types",
    "_files",
    "plan.tuning",
    "plan.summary",
    "plan.view",
    "plan.tiles",
    "plan.slabs",
    "plan.routes",
    "plan.plan",
    "_store",
    "prebuilt.table",
    "prebuilt.library",
    "prebuilt.functions",
    "threads.processor",
    "threads.shared",
    "threads.caches",
    "kernels",
    "threads.quota",
    "threads.counts",
    "threads.crew",
    "threads.openmp",
    "threads.workers",
    "calls.memory",
    "calls.given",
    "calls.plain",
    "calls.checks.sizes",
    "calls.checks.scalars",
    "calls.checks.arrays",
    "calls.checks",
    "calls.shapes",
    "calls.order",
    "calls.lookup",
    "calls.finishing",
    "calls.operations",
    "calls.statistics",
    "calls.summaries",
    "calls.written",
    "calls.places",
    "calls.images",
    "calls.call",
    "calls.backward_call",
    "calls.running",
    "calls.norms",
    "functional",
    "moments",
    "collective",
    "layers.checks",
    "layers.base",
    "layers.channel_norm",
    "layers.row_norm",
    "layers",
    "_refusals",
    "_progress",
    "stats.options",
    "stats.bins",
    "stats.histograms",
    "stats.tallies",
    "stats.formats",
    "stats.sources",
    "stats.images",
    "stats.views",
    "stats.members",
    "stats.parts",
    "stats.arrays",
    "stats.state",
    "stats.report",
    "stats.written",
    "stats.figure",
    "stats.work",
    "stats",
    "prebuilt.objects",
    "prebuilt.building",
    "prebuilt.backend",
    "experiment.options",
    "experiment.digits",
    "experiment.convolution",
    "experiment.layers",
    "experiment.networks",
    "experiment.plan",
    "experiment.watching",
    "experiment.training",
    "experiment.results",
    "experiment.processes",
    "experiment.work",
    "experiment.intervals",
    "experiment.measures",
    "experiment.claims",
    "experiment.report",
    "experiment.figure",
    "experiment",
]
FOLDERS = {name.partition(".")[0] for name in ORDER if (PACKAGE / name.partition(".")[0]).is_dir()}


def modules():
    """Return the names of the modules in these folders, within the package."""
    files = sorted(path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py"))
    names = [".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in files]
    return [name.removesuffix(".__init__") for name in names]


def place(name):
    """Return where a module stands, or the one that a name is imported from; -1 for others."""
    found = [entry for entry in ORDER if f"{name}.".startswith(f"{entry}.")]
    return ORDER.index(max(found, key=len)) if found else -1


def imports(path):
    """Yield the names within the package that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (
            name.removeprefix("numbanorm.") for name in names if name.startswith("numbanorm.")
        )


@pytest.mark.parametrize("module", modules())
def test_modules_import_downwards_only(module):
    path = PACKAGE / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for name in imports(path):
        assert place(name) <= place(module), f"{module} imports {name}"


def test_every_module_has_its_place():
    """But for packages that say what is in them, and import nothing."""
    lost = [name for name in modules() if place(name) < 0]
    assert all(not list(imports(PACKAGE / name / "__init__.py")) for name in lost), lost


@pytest.mark.parametrize("name", ORDER)
def test_what_is_ordered_exists(name):
    path = PACKAGE / name.replace(".", "/")
    assert path.is_dir() or path.with_suffix(".py").exists()
