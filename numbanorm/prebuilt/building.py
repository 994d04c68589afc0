"""Building the library of kernels, which needs Numba and a C compiler."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from numbanorm.cabi.building import FEATURES, BuildError, compiler, write_objects
from numbanorm.cabi.declarations import filled
from numbanorm.prebuilt.library import NAME
from numbanorm.prebuilt.objects import PARTS
from numbanorm.prebuilt.table import OPERATIONS, SERIAL
from numbanorm.threads import processor
from numbanorm.threads.shared import OPENMP_WORDS, POOL_WORDS

# What the library calls is in the process already: of libraries it names only those that every
# Python loads, and no versions of their functions, so that it runs with older ones.
_SYSTEM = "libc.so.6", "libm.so.6", "libpthread.so.0"


def native() -> str:
    """Return the best target for the processor of this machine."""
    found = processor.features()
    # Linux has the compilers' names for these.
    return next(
        target
        for target, features in FEATURES.items()
        if {one.removeprefix("+") for one in features.split(",") if one} <= found
    )


def build(folder: Path, targets: Sequence[str] = ()) -> Path:
    """Write the library for some of `FEATURES`, all if none are named, into a folder.

    "native" stands for the best that this machine has.

    Returns
    -------
    Path
        The library's.

    Raises
    ------
    BuildError
        If it can't be built here.
    """
    targets = [native() if target == "native" else target for target in targets]
    unknown = sorted(set(targets) - set(FEATURES))
    if unknown:
        raise BuildError(f"targets must be among {', '.join(FEATURES)}, got {', '.join(unknown)}")
    wanted = [target for target in FEATURES if target in (targets or FEATURES)]
    command = compiler()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        write_objects("numbanorm.prebuilt.objects", PARTS, wanted, work)
        names = ", ".join(f'"{target}"' for target in wanted)
        text = filled(
            "process.c.in",
            "numbanorm.prebuilt",
            NAMES=names,
            METHODS=_methods(),
            POOL_WORDS=str(POOL_WORDS),
            OPENMP_WORDS=str(OPENMP_WORDS),
        )
        (work / "process.c").write_text(text, "utf-8")
        (work / "processor.h").write_text(filled("processor.h"), "utf-8")
        _link(command, work)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / NAME).write_bytes((work / NAME).read_bytes())
    return folder / NAME


# C's type of what is given by letters, and how it is made of Python's.
_TYPES = {
    "a": ("const void *", "{}"),
    "n": ("double", "PyFloat_AsDouble({})"),
    "k": ("int64_t", "PyLong_AsLongLong({})"),
    "f": ("_Bool", "PyObject_IsTrue({}) == 1"),
}


def _methods() -> str:
    """Return the C functions by which Python calls kernels, one for all that are called alike."""
    operations = sorted({one.shape for one in OPERATIONS})
    serial = sorted({one.shape for one in SERIAL})
    return "\n".join(
        [
            *(
                _method(f"operation_{shape}", _of_operation(shape), 3, "int64_t")
                for shape in operations
            ),
            *(
                _method(f"serial_{shape}", _of_serial(shape), len(shape), "void")
                for shape in serial
            ),
        ]
    )


def _of_operation(shape: str) -> list[tuple[str, str]]:
    """Return the letter of each argument, and where it is: ``(view, args, workers)``."""
    view = [("k", f"PyTuple_GetItem(given[0], {i})") for i in range(5)]
    args = [(letter, f"PyTuple_GetItem(given[1], {i})") for i, letter in enumerate(shape)]
    return [*view, *args, ("k", "given[2]")]


def _of_serial(shape: str) -> list[tuple[str, str]]:
    return [(letter, f"given[{i}]") for i, letter in enumerate(shape)]


def _method(name: str, given: list[tuple[str, str]], count: int, result: str) -> str:
    """Return a function that Python calls with `count` objects, and what tells it to Python."""
    kinds = ", ".join(_TYPES[letter][0] for letter, _ in given)
    values = "\n".join(
        f"    {_TYPES[letter][0]} v{i} = {_TYPES[letter][1].format(place)};"
        for i, (letter, place) in enumerate(given)
    )
    names = ", ".join(f"v{i}" for i in range(len(given)))
    call = f"function({names})"
    if result == "void":
        call = f"(function({names}), 0)"
    return f"""static PyObject *{name}(PyObject *self, PyObject *const *given, ptrdiff_t count) {{
    {result} (*function)({kinds}) = ({result} (*)({kinds}))PyLong_AsVoidPtr(self);
    if (count != {count} && !PyErr_BadArgument()) return NULL;
{values}
    return PyErr_Occurred() ? NULL : PyLong_FromLongLong({call});
}}
PyMethodDef nbn_{name} = {{"{name}", {name}, METH_FASTCALL, NULL}};
"""


def _link(command: list[str], work: Path) -> None:
    for name in _SYSTEM:
        # An empty library of this name: the linker takes down that it is wanted, and no more.
        stub = work / f"stub-{name}"
        empty = ["-shared", "-nostdlib", "-x", "c", os.devnull, f"-Wl,-soname,{name}"]
        _run([*command, *empty, "-o", str(stub)], work)
    objects = [path.name for path in sorted(work.glob("*.o"))]
    stubs = [f"stub-{name}" for name in _SYSTEM]
    compiling = "-std=gnu99 -O2 -fPIC -Wall -Wextra -shared -nostdlib -s".split()
    linking = f"-Wl,-soname,{NAME} -Wl,-Bsymbolic -Wl,-z,noexecstack -Wl,--no-as-needed"
    _run(
        [
            *command, *compiling, *linking.split(), "process.c", *objects, *stubs, "-lgcc",
            "-o", NAME,
        ],
        work,
    )  # fmt: skip


def _run(call: list[str], work: Path) -> None:
    done = subprocess.run(call, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{call[0]} must link the library, got:\n{done.stderr[:2000]}")


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), sys.argv[2:]))
