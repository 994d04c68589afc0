"""Object files of the C functions: ``python -m numbanorm.cabi.objects KIND,... FOLDER TARGET...``.

The shared library runs this in a process of its own for each type, side by side. Numba's part of
the work is done once; LLVM's once for every target, a name that a compiler knows a processor by.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from numbanorm.cabi.compiling import entries
from numbanorm.kernels.compile.bundles import bundle
from numbanorm.kernels.compile.libraries import BundleLibrary


class _Unfinished(BundleLibrary):
    """A bundle that stays as it was linked."""

    def _optimize_final_module(self) -> None:
        self._expose()

    def _finalize_final_module(self) -> None:
        self._finalized = True


def _optimized(module: Any, machine: Any) -> None:
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = True
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)


def write(kind: str, folder: Path, targets: list[str]) -> None:
    """Write an object file for each target: KIND-TARGET.o, whose functions end in its number.

    The first target's functions end in ``_0``, the second's in ``_1``.
    """
    linked = bundle(f"numbanorm_{kind}", entries(kind), _Unfinished)
    for number, target in enumerate(targets):
        module = linked._final_module.clone()
        names = [one for one in linked._entries.values()]
        for name in names:
            function = module.get_function(name)
            function.name, function.visibility = f"{name}_{number}", "hidden"
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=target, opt=3, reloc="pic", codemodel="small"
        )
        _optimized(module, machine)
        (folder / f"{kind}-{number}.o").write_bytes(machine.emit_object(module))


if __name__ == "__main__":
    for name in sys.argv[1].split(","):
        write(name, Path(sys.argv[2]), sys.argv[3:])
