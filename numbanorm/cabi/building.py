"""The shared library: libnumbanorm and what goes with it, in a folder of the user's."""

from __future__ import annotations

import itertools
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from numbanorm._status import RULES, Status
from numbanorm.cabi.declarations import (
    ABI_VERSION,
    IMAGE_TYPES,
    INTEGER_TYPES,
    TYPES,
    Function,
    filled,
    functions,
    header,
)
from numbanorm.plan.tuning import (
    MAX_WORKERS,
    SECOND_CACHE,
    SHARE_OF_OTHERS_THIRD,
    SHARE_OF_SECOND,
    SHARE_OF_THIRD,
    STREAM_MOST,
)

SONAME = f"libnumbanorm.so.{ABI_VERSION}"

# What code for a target may take for granted, the best first. On x86 each is chosen where the
# processor has it, when a library is loaded; what is built for C has the first two.
_AVX2 = "+avx2,+fma,+f16c"
FEATURES = {
    "x86-64-v4": f"{_AVX2},+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl",
    "x86-64-v3": _AVX2,
    "x86-64": "",
}
X86_TARGETS = ["x86-64-v4", "x86-64-v3"]


class BuildError(RuntimeError):
    """The library can't be built here."""


def targets() -> list[str]:
    """Return the processors that the library is built for: the host, where it is not an x86."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        return X86_TARGETS
    import llvmlite.binding as llvm

    return [str(llvm.get_host_cpu_name())]


def compiler() -> list[str]:
    """Return the command of the C compiler: what CC says, else the first one found."""
    given = shlex.split(os.environ.get("CC", ""))
    candidates = [given] if given else [["cc"], ["gcc"], ["clang"]]
    for command in candidates:
        if shutil.which(command[0]):
            return command
    names = ", ".join(command[0] for command in candidates)
    raise BuildError(f"a C compiler must be installed, found none of {names} (CC names another)")


def source() -> str:
    """Return the text of the library's C part."""
    known, count = functions(), len(targets())
    tables = []
    for number in range(count):
        fields = ", ".join(f"{one.name}_{number}" for one in known)
        tables.append(f"    {{sizeof(nbn_api), NBN_ABI_VERSION, {fields}}},")
    declared = [
        f"HIDDEN {one.prototype(f'{one.name}_{number}')};"
        for number in range(count)
        for one in known
    ]
    return filled(
        "library.c.in",
        MOST_THREADS=str(MAX_WORKERS),
        STREAM_BYTES=str(int(SHARE_OF_SECOND * SECOND_CACHE)),
        SHARE_OF_SECOND=str(SHARE_OF_SECOND),
        SHARE_OF_THIRD=str(SHARE_OF_THIRD),
        SHARE_OF_OTHERS_THIRD=str(SHARE_OF_OTHERS_THIRD),
        STREAM_MOST=str(STREAM_MOST),
        DECLARATIONS="\n".join(declared),
        TABLES="\n".join(tables),
        WORDS="\n".join(f'        "{RULES[status]}",' for status in Status),
        NAMES=", ".join(f'"{name}"' for name in targets()),
        DEFINITIONS="\n".join(map(_definition, known)),
    )


def _definition(one: Function) -> str:
    arguments = ", ".join(one.argument_names)
    result = f"chosen ? chosen->{one.field}({arguments}) : NBN_ERROR_CPU"
    if one.field == "strerror":
        result = f"words({arguments})"
    return f"{one.prototype()} {{\n    return {result};\n}}\n"


def build(prefix: Path) -> list[Path]:
    """Write the library, its header and its descriptions for pkg-config and CMake under a folder.

    Parameters
    ----------
    prefix : Path
        The folder; made if it is not there. It may be moved later.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    BuildError
        If there is no C compiler, or one that can't build it; or in a frozen program, which has no
        interpreter to build it with.
    """
    if getattr(sys, "frozen", False):
        raise BuildError("a Python with numbanorm installed must build it, got a frozen program")
    command = compiler()
    include, lib = prefix / "include", prefix / "lib"
    texts = {
        include / "numbanorm.h": header(),
        lib / "pkgconfig" / "numbanorm.pc": filled("numbanorm.pc.in"),
        lib / "cmake" / "numbanorm" / "numbanorm-config.cmake": filled("numbanorm-config.cmake.in"),
        lib / "cmake" / "numbanorm" / "numbanorm-config-version.cmake": filled(
            "numbanorm-config-version.cmake.in"
        ),
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "numbanorm.h").write_text(header(), "utf-8")
        (work / "library.c").write_text(source(), "utf-8")
        (work / "processor.h").write_text(filled("processor.h"), "utf-8")
        parts = *TYPES, *IMAGE_TYPES, *INTEGER_TYPES
        write_objects("numbanorm.cabi.objects", parts, targets(), work)
        _link(command, work)
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        shutil.copy2(work / SONAME, lib / SONAME)
    link = lib / "libnumbanorm.so"
    link.unlink(missing_ok=True)
    link.symlink_to(SONAME)
    return [*texts, lib / SONAME, link]


def write_objects(module: str, parts: Sequence[str], targets: Sequence[str], work: Path) -> None:
    """Let a module write the object files of all parts for all targets, two or more at once.

    Each is a process of its own, in which Numba takes a target's features for granted, and asks
    nothing of the processor that it runs on.
    """

    def run(part: str, target: str) -> bool:
        environment = dict(os.environ)
        if target in FEATURES:
            environment |= {"NUMBA_CPU_NAME": target, "NUMBA_CPU_FEATURES": FEATURES[target]}
        call = [sys.executable, "-m", module, part, str(work), target, str(targets.index(target))]
        return subprocess.run(call, env=environment, check=False).returncode == 0

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        if not all(pool.map(run, *zip(*itertools.product(parts, targets)))):
            raise BuildError("the functions must compile, got an error (above)")


def _link(command: list[str], work: Path) -> None:
    options = "-std=gnu99 -O2 -fPIC -fopenmp -fvisibility=hidden -Wall -Wextra -shared -s"
    # nodelete: a libgomp that dlclose unloads takes the code of its sleeping threads away.
    linker = f"-Wl,-soname,{SONAME} -Wl,-z,defs,-z,noexecstack,-z,nodelete -Wl,--as-needed"
    objects = [path.name for path in sorted(work.glob("*.o"))]
    call = [*command, *options.split(), *linker.split(), "library.c", *objects, "-lm", "-o", SONAME]
    done = subprocess.run(call, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{command[0]} must link the library, got:\n{done.stderr[:2000]}")
