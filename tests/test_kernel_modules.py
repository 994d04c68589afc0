"""Each module of the kernels stands on its own, and what compiled code is known by is its alone."""

import ast

import processes
import pytest

# In a process for each module that has imported none of the others: the names that its functions
# use, and those of what they call, are what a compiler can type.
ALONE = """
import importlib, os, sys, types
import numba
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target


def uses(function):
    names = {name for code in codes(function.__code__) for name in code.co_names}
    return {name: function.__globals__[name] for name in names if name in function.__globals__}


def codes(code):
    return [code, *(one for one in code.co_consts if isinstance(one, types.CodeType))]


def check(name):
    module = importlib.import_module(name)
    cpu_target.typing_context.refresh()
    waiting = [one for one in vars(module).values() if isinstance(one, Dispatcher)]
    seen = set()
    while waiting:
        function = waiting.pop().py_func
        if function in seen:
            continue
        seen.add(function)
        for used, value in uses(function).items():
            if isinstance(value, Dispatcher):
                waiting.append(value)
            else:
                try:
                    cpu_target.typing_context.resolve_value_type(value)
                except Exception as error:
                    sys.exit(f"{name} alone: {function.__name__} uses {used}: {error}")


import numbanorm.kernels
cpu_target.typing_context.refresh()
for name in sys.argv[1:]:
    child = os.fork()
    if not child:
        check(name)
        sys.stdout.flush()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""


def modules():
    """Return the names of the kernels' modules."""
    folder = processes.ROOT / "numbanorm" / "kernels"
    found = sorted(folder.rglob("*.py"))
    names = [".".join(path.relative_to(processes.ROOT).with_suffix("").parts) for path in found]
    return [name.removesuffix(".__init__") for name in names]


@pytest.mark.skipif(not hasattr(processes.os, "fork"), reason="takes a process for each module")
def test_each_module_can_be_compiled_alone():
    processes.run(ALONE, *modules(), options=())


def test_no_two_kernels_have_one_name():
    """The linker of code in memory takes code of the same name for the same."""
    names = processes.run(
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    for one in vars(importlib.import_module(name)).values():\n"
        "        driver = getattr(one, 'driver', None)\n"
        "        for made in filter(None, (driver, driver and one)):\n"
        "            print(id(made), made.py_func.__module__, made.py_func.__qualname__)\n",
        *modules(),
    ).splitlines()
    functions = {line.partition(" ")[2] for line in set(names)}
    assert len(functions) == len(set(names)) >= 20


# Each imports those before it only.
ORDER = "simd", "compile", "threads", "tiles", "loops", "operations", "routes", "ahead", "c"


def place(module):
    """Return where a module stands in the order, which names folders, and modules beside them."""
    part = module.removeprefix("numbanorm.kernels").strip(".").partition(".")[0]
    return ORDER.index(part) if part in ORDER else len(ORDER)


@pytest.mark.parametrize("module", modules())
def test_modules_import_downwards_only(module):
    path = processes.ROOT / "numbanorm" / module.removeprefix("numbanorm.").replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("numbanorm.kernels"):
                assert place(name) <= place(module), f"{module} imports {name}"
