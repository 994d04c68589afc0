"""Object files of compiled functions, for a target: a name that compilers know processors by."""

from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from numbanorm.kernels.compile.bundles import Entries, bundle
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


def write(
    name: str, entries: Entries, folder: Path, target: str, ending: str, visibility: str
) -> None:
    """Write NAME-TARGET.o, of functions whose names end in what is said."""
    linked = bundle(f"numbanorm_{name}", entries, _Unfinished)
    module = linked._final_module
    for entry in linked._entries.values():
        function = module.get_function(entry)
        function.name, function.visibility = f"{entry}{ending}", visibility
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=target, opt=3, reloc="pic", codemodel="small"
    )
    _optimized(module, machine)
    (folder / f"{name}-{target}.o").write_bytes(machine.emit_object(module))
