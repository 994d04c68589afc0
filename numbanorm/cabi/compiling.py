"""The C functions, compiled: those of one type together, for they share most of their code."""

from __future__ import annotations

import pickle
from typing import Any

from numba.core import sigutils
from numba.core.ccallback import CFunc
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from numbanorm.cabi.declarations import Function, functions, signatures
from numbanorm.kernels import entries
from numbanorm.kernels.leaves import BundleLibrary, EntryCompiler
from numbanorm.kernels.options import BASE, cache_file, read_cache, write_cache


def of_kind(kind: str) -> list[Function]:
    """Return the functions compiled together: those of a type, with what is of none in float's."""
    return [one for one in functions() if one.kind == kind or (not one.kind and kind == "f32")]


@global_compiler_lock
def bundle(kind: str, library_class: Any = BundleLibrary, suffix: str = "") -> BundleLibrary:
    """Return the code of all C functions of a type, under their names followed by `suffix`."""
    codegen = cpu_target.target_context.codegen()
    compiled, names, known = [], {}, signatures()
    for one in of_kind(kind):
        function = getattr(entries, one.entry).py_func
        signature = sigutils.normalize_signature(known[one.name])
        pipeline: Any = EntryCompiler
        entry: Any = CFunc(function, signature, {}, dict(BASE), pipeline_class=pipeline)
        result = entry._compile_uncached()
        compiled.append(result.library)
        names[result.fndesc.llvm_cfunc_wrapper_name] = one.name + suffix
    library: BundleLibrary = library_class(codegen, f"numbanorm_{kind}", names)
    for one_library in compiled:
        library.add_linking_library(one_library)
    library.enable_object_caching()
    library.finalize()
    return library


def addresses(kind: str) -> dict[str, int]:
    """Return the addresses of all C functions of a type, compiled or loaded from the cache."""
    context = cpu_target.target_context
    context.refresh()
    codegen = context.codegen()
    path = cache_file(f"cabi.{kind}", "", codegen)
    payload = read_cache(path)
    if payload is None:
        library: Any = bundle(kind)
        if path is not None:
            write_cache(path, pickle.dumps(library.serialize_using_object_code()))
    else:
        library = codegen.unserialize_library(pickle.loads(payload))
    _kept.append(library)
    return {one.name: int(library.get_pointer_to_function(one.name)) for one in of_kind(kind)}


# Code lives as long as its library.
_kept: list[Any] = []
