"""A short-cut through Numba's compiler for functions that only compiled code calls.

Numba finishes every jitted function as if Python were to call it: two wrappers, a full optimisation
of it and all it calls, machine code. For a leaf that is then inlined into a driver, where all of it
happens again, this is waste: the first call of a driver took 5.0 s with it and takes 1.9 s without.
A leaf is therefore left as unoptimised LLVM code until a driver links it.
"""

from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

from numba import _dynfunc  # type: ignore[attr-defined]
from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.ir_utils import find_const, guard
from numba.core.typed_passes import NativeLowering
from numba.core.untyped_passes import GenericRewrites

from numbanorm.kernels.compile.libraries import (
    DriverLibrary,
    EntryLibrary,
    LeafLibrary,
    PublicLibrary,
)


@register_pass(mutates_CFG=True, analysis_only=False)
class LeafLowering(NativeLowering):
    """Lower to LLVM code without wrappers, and register it for callers."""

    _name = "numbanorm_leaf_lowering"
    _without: tuple[str, ...] = ("no_compile", "no_cpython_wrapper", "no_cfunc_wrapper")
    _library: type[LeafLibrary] = LeafLibrary

    def run_pass(self, state: Any) -> bool:
        context = state.targetctx
        state.library = self._library(context.codegen(), state.func_id.func_qualname)
        for flag in self._without:
            setattr(state.flags, flag, True)
        super().run_pass(state)
        described = state.cr.fndesc
        # Callers find a leaf by its Python-side function object; this one has no code behind it.
        entry = _dynfunc.make_function(
            described.lookup_module(),
            state.func_id.func_name,
            "numbanorm leaf",
            0,
            state.cr.env,
            (state.library,),
        )
        context.insert_user_function(entry, described, state.library.with_all_called())
        state.reload_init.extend(state.library._reload_init)
        state.cr = state.cr._replace(cfunc=entry)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class PublicLowering(LeafLowering):
    """Lower like a leaf, with all that it calls."""

    _name = "numbanorm_public_lowering"
    _library = PublicLibrary


@register_pass(mutates_CFG=True, analysis_only=False)
class DriverLowering(NativeLowering):
    """Lower what Python calls, and link it as leaves are to be linked."""

    _name = "numbanorm_driver_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = DriverLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        # As Numba does: kept, for the cache.
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


@register_pass(mutates_CFG=True, analysis_only=False)
class EntryLowering(LeafLowering):
    """Lower like a leaf, with the wrapper that C calls."""

    _name = "numbanorm_entry_lowering"
    _without = ("no_compile", "no_cpython_wrapper")
    _library = EntryLibrary


@register_pass(mutates_CFG=False, analysis_only=False)
class ConstantItems(FunctionPass):
    """See which items of tuples are constant: all that leaves need of Numba's `GenericRewrites`.

    Each item that is not seen to be costs the compilation of a function, 25 ms.
    """

    _name = "numbanorm_constant_items"

    def __init__(self) -> None:
        """Numba makes one of each kind."""

    def run_pass(self, state: Any) -> bool:
        for block in state.func_ir.blocks.values():
            for assignment in block.find_insts(ir.Assign):
                value = assignment.value
                if isinstance(value, ir.Expr) and value.op == "getitem":
                    index = guard(find_const, state.func_ir, value.index)
                    if index is not None:
                        assignment.value = ir.Expr.static_getitem(
                            value.value, index, value.index, value.loc
                        )
        return True


# Steps that find nothing in a leaf (no closures, literals to unroll, array expressions, raises) but
# look for it all the same: a quarter of a leaf's compile time.
_NOT_IN_LEAVES = {
    "WithLifting",
    "InlineClosureLikes",
    "RewriteSemanticConstants",
    "DeadBranchPrune",
    "RewriteDynamicRaises",
    "MakeFunctionToJitFunction",
    "InlineInlinables",
    "FindLiterallyCalls",
    "LiteralUnroll",
    "LiteralPropagationSubPipelinePass",
    "InlineOverloads",
    "NopythonRewrites",
    "NoPythonSupportedFeatureValidation",
    "AnnotateTypes",
    "DumpParforDiagnostics",
}


@contextmanager
def _known(context: Any) -> Iterator[None]:
    """Let a context look for no new registries: whoever calls a leaf has just had it look."""
    context.refresh = lambda: None
    try:
        yield
    finally:
        del context.refresh


class _InsideCompiler(CompilerBase):
    """What compiles leaves, while something that calls them is compiled."""

    def __init__(self, typingctx: Any, targetctx: Any, *args: Any) -> None:
        with _known(typingctx), _known(targetctx):
            super().__init__(typingctx, targetctx, *args)


class LeafCompiler(_InsideCompiler):
    """Numba's compiler with `LeafLowering` in place of its own lowering, and fewer steps."""

    def define_pipelines(self) -> list[Any]:
        return [_leaf_passes(self.state, LeafLowering)]


class PublicCompiler(_InsideCompiler):
    """Numba's compiler with `PublicLowering` in place of its own lowering, and fewer steps."""

    def define_pipelines(self) -> list[Any]:
        return [_leaf_passes(self.state, PublicLowering)]


class DriverCompiler(CompilerBase):
    """Numba's compiler with `DriverLowering` in place of its own lowering."""

    def define_pipelines(self) -> list[Any]:
        return [_replaced(self.state, {NativeLowering: DriverLowering})]


class EntryCompiler(CompilerBase):
    """Numba's compiler with `EntryLowering` in place of its own lowering, and fewer steps."""

    def define_pipelines(self) -> list[Any]:
        return [_leaf_passes(self.state, EntryLowering)]


def _leaf_passes(state: Any, lowering: Any) -> Any:
    """Return a leaf's passes, with its lowering."""
    return _replaced(
        state, {NativeLowering: lowering, GenericRewrites: ConstantItems}, _NOT_IN_LEAVES
    )


def _replaced(state: Any, new: Mapping[Any, Any], without: Set[str] = frozenset()) -> Any:
    """Return Numba's passes with some replaced and some left out."""
    passes = DefaultPassBuilder.define_nopython_pipeline(state)
    passes.passes = [
        (new.get(step, step), why) for step, why in passes.passes if step.__name__ not in without
    ]
    passes.finalize()
    return passes
