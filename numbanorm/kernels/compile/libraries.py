"""What compiled code is kept in until it is linked: leaves, drivers, what C calls."""

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Any

from numba.core.codegen import CPUCodeLibrary, JITCodeLibrary

# Counts libraries as they are finished: what calls a leaf is finished after it.
_finished = count()


def in_order(libraries: Iterable[Any]) -> list[Any]:
    """Return libraries once each, leaves before those that they call, and then all others.

    Only then are they linked: the linker leaves out what nothing has called so far.
    """
    return sorted(dict.fromkeys(libraries), key=lambda one: -getattr(one, "number", -1))


class LeafLibrary(CPUCodeLibrary):
    """LLVM code to be linked into other libraries, never run on its own.

    It does not hold what it calls: whoever calls it links all of that too, once, however many
    leaves there call the same.
    """

    def add_llvm_module(self, ll_module: Any) -> None:
        """Take code as it is: the driver optimises all."""
        ll_module.data_layout = self._codegen._data_layout
        self._final_module.link_in(ll_module)

    def finalize(self) -> None:
        """Link nothing."""
        self.number = next(_finished)
        for library in self._linking_libraries:
            self._reload_init.update(library._reload_init)
        self._finalize_dynamic_globals()
        self._finalized = True

    def with_all_called(self) -> list[Any]:
        """Return this library and all that it comes to call."""
        return in_order([self, *self._linking_libraries])

    def _finalize_specific(self) -> None:
        """Make no machine code."""


class PublicLibrary(LeafLibrary):
    """A leaf with all that it calls, for users' functions, which link in an order of their own."""

    def finalize(self) -> None:
        """Link everything, and optimise nothing."""
        for library in in_order(self._linking_libraries):
            module = library._get_module_for_linking()
            self._final_module.link_in(module, preserve=True)
        super().finalize()

    def with_all_called(self) -> list[Any]:
        """Return this library."""
        return [self]


class DriverLibrary(JITCodeLibrary):
    """What Python calls: leaves linked, optimised together and made machine code."""

    def finalize(self) -> None:
        """Link and compile."""
        self._linking_libraries = in_order(self._linking_libraries)
        super().finalize()


class EntryLibrary(LeafLibrary):
    """A leaf with the wrapper that C calls, which is linked in though nothing calls it."""

    def _get_module_for_linking(self) -> Any:
        module = super()._get_module_for_linking()
        for function in module.functions:
            if function.name.startswith("cfunc."):
                function.linkage = "external"
        return module


class BundleLibrary(DriverLibrary):
    """Leaves and entries optimised together, of which only entries can be called from outside."""

    def __init__(self, codegen: Any, name: str, entries: Mapping[str, str]) -> None:
        """`entries` maps the names of wrappers to the names they shall have."""
        super().__init__(codegen, name)
        self._entries = entries

    def _expose(self) -> None:
        """Name the entries, and let LLVM do as it likes with all else.

        What is internal gets a name of its own: the linker of code in memory knows internal names
        too, and would let a driver call a leaf in here, whose arguments may be others by now.
        """
        module = self._final_module
        for number, function in enumerate(list(module.functions)):
            if function.name in self._entries:
                function.linkage = "external"
                function.name = self._entries[function.name]
            elif not function.is_declaration:
                function.linkage = "internal"
                function.name = f"{self._name}.{number}"
        for number, variable in enumerate(list(module.global_variables)):
            # The process's own variables are declared only.
            if not variable.is_declaration:
                variable.linkage = "internal"
                variable.name = f"{self._name}.data.{number}"

    def _optimize_final_module(self) -> None:
        self._expose()
        super()._optimize_final_module()
