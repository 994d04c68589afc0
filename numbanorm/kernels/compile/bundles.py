"""Functions that C calls, compiled together: for they share code, which is then optimised once."""

import pickle
from collections.abc import Callable, Mapping
from typing import Any

from numba.core import sigutils
from numba.core.ccallback import CFunc
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.runtime.nrt import rtsys

from numbanorm import _store
from numbanorm.kernels.compile import cache
from numbanorm.kernels.compile.always import compiling
from numbanorm.kernels.compile.leaves import EntryCompiler
from numbanorm.kernels.compile.libraries import BundleLibrary
from numbanorm.kernels.compile.options import BASE

# Plain functions and their signatures, by the names that the compiled ones shall have.
Entries = Mapping[str, tuple[Callable[..., Any], Any]]


@compiling()
def bundle(
    name: str, entries: Entries, library_class: type[BundleLibrary] = BundleLibrary
) -> BundleLibrary:
    """Return the code of all entries, under their names."""
    compiled, names = [], {}
    for entry, (function, signature) in entries.items():
        signature = sigutils.normalize_signature(signature)
        pipeline: Any = EntryCompiler
        one: Any = CFunc(function, signature, {}, dict(BASE), pipeline_class=pipeline)
        result = one._compile_uncached()
        compiled.append(result.library)
        names[result.fndesc.llvm_cfunc_wrapper_name] = entry
    library = library_class(cpu_target.target_context.codegen(), name, names)
    for one in compiled:
        for called in one.with_all_called():
            library.add_linking_library(called)
    library.enable_object_caching()
    library.finalize()
    return library


@global_compiler_lock
def addresses(
    name: str, entries: Callable[[], Entries], wanted: list[str], kinds: object = ""
) -> dict[str, int]:
    """Return the addresses of entries, compiled or loaded from the cache.

    `kinds` says what their signatures depend on besides the sources of kernels.
    """
    context = cpu_target.target_context
    codegen = context.codegen()
    file = cache.file_name(name, kinds, codegen)
    payload = _store.read(cache.folders(), file)
    if payload is None:
        context.refresh()
        library: Any = bundle(name, entries())
        _store.write(cache.folders(), file, pickle.dumps(library.serialize_using_object_code()))
    else:
        rtsys.initialize(context)
        library = codegen.unserialize_library(pickle.loads(payload))
    _kept.append(library)
    return {one: int(library.get_pointer_to_function(one)) for one in wanted}


# Code lives as long as its library.
_kept: list[Any] = []
