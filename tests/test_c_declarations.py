"""The header, the table and the library declare the same, and an ABI version never changes."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import c_api
import pytest

import numbanorm
from numbanorm import cabi
from numbanorm._status import RULES, Status
from numbanorm.cabi import building, declarations
from numbanorm.kernels.c import entries

README = Path(__file__).parents[1] / "README.md"


def compiler():
    try:
        return building.compiler()
    except building.BuildError as error:
        pytest.skip(str(error))


def test_a_changed_declaration_needs_a_new_abi_version():
    """When functions were only added, record the new digest for the same version."""
    assert declarations.digest() == declarations.DIGESTS[cabi.ABI_VERSION]


def test_the_digest_sees_changes_and_not_comments(monkeypatch):
    before = declarations.digest()
    text = declarations.header()
    monkeypatch.setattr(declarations, "header", lambda: text.replace("/* success */", "/* */"))
    assert declarations.digest() == before
    monkeypatch.setattr(declarations, "header", lambda: text.replace("double eps", "float eps"))
    assert declarations.digest() != before


def test_statuses_keep_their_values():
    assert {declarations.c_name(status): int(status) for status in Status} == {
        "NBN_OK": 0,
        "NBN_ERROR_NULL": 1,
        "NBN_ERROR_SIZE": 2,
        "NBN_ERROR_LAYOUT": 3,
        "NBN_ERROR_EPS": 4,
        "NBN_ERROR_MOMENTUM": 5,
        "NBN_ERROR_CORRECTION": 6,
        "NBN_ERROR_GROUPS": 7,
        "NBN_ERROR_ONE_VALUE": 8,
        "NBN_ERROR_ALIGNMENT": 9,
        "NBN_ERROR_OVERLAP": 10,
        "NBN_ERROR_MEMORY": 11,
        "NBN_ERROR_CPU": 12,
        "NBN_ERROR_SCALE": 13,
    }
    assert set(RULES) == set(Status)


@pytest.mark.parametrize("one", declarations.functions(), ids=lambda one: one.name)
def test_every_declaration_has_its_entry(one):
    """The same arguments, in the same order, under the same names."""
    entry = getattr(entries, one.entry).py_func
    names = list(inspect.signature(entry).parameters)
    wanted = [name for name in one.argument_names]
    if one.entry == "instance_norm_infer":
        assert entry is entries.batch_norm_infer.py_func
    assert names == wanted


@pytest.mark.parametrize(
    ("language", "options"),
    [
        ("c", "-std=c99 -pedantic -Wall -Wextra -Werror"),
        ("c", "-std=c11 -pedantic -Wall -Wextra -Werror -Wconversion -Wstrict-prototypes"),
        ("c++", "-std=c++17 -pedantic -Wall -Wextra -Werror"),
    ],
)
def test_the_header_compiles_alone(tmp_path, language, options):
    (tmp_path / "numbanorm.h").write_text(cabi.header())
    source = tmp_path / "twice.c"
    source.write_text(
        '#include "numbanorm.h"\n#include "numbanorm.h"\nint main(void) {return NBN_OK;}\n'
    )
    command = [*compiler(), "-x", language, *options.split(), "-fsyntax-only", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_versions(prefix, c_library):
    functions = c_library.functions
    assert c_api.text(functions.nbn_version()) == numbanorm.__version__
    assert functions.nbn_abi_version() == cabi.ABI_VERSION
    assert c_api.text(functions.nbn_instruction_set()) in building.targets()
    assert (prefix / "include" / "numbanorm.h").read_text() == cabi.header()
    assert f'#define NBN_VERSION "{numbanorm.__version__}"' in cabi.header()


def test_table():
    table, ffi = cabi.table(), cabi.ffi()
    assert table.size == ffi.sizeof("nbn_api")
    assert table.abi_version == cabi.ABI_VERSION
    for one in declarations.functions():
        found = int(ffi.cast("intptr_t", getattr(table, one.field)))
        assert found == cabi.address(one.name) != 0
    assert cabi.table() is table
    assert cabi.capsule() is cabi.capsule()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def test_the_readme_program(prefix, tmp_path):
    """README's "C in twenty lines" compiles as it stands there, and says what it must."""
    (program,) = (text for text in blocks("c") if "int main" in text)
    assert len(program.splitlines()) <= 20
    (tmp_path / "twenty.c").write_text(program)
    lib = prefix / "lib"
    options = f"-std=c99 -Wall -Wextra -Werror -I{prefix}/include twenty.c -L{lib} -lnumbanorm"
    command = [*compiler(), *options.split(), f"-Wl,-rpath,{lib}", "-o", "twenty"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([tmp_path / "twenty"], capture_output=True, text=True, check=True)
    mean, deviation = map(float, re.findall(r"[\d.]+", done.stdout)[1:3])
    assert mean == pytest.approx(499.5, rel=0.02)
    assert deviation == pytest.approx(1000 / 12**0.5, rel=0.02)


def run_capi(tmp_path, **environment):
    command = [sys.executable, "-m", "numbanorm", "capi", "--prefix", str(tmp_path / "prefix")]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_no_compiler(tmp_path):
    done = run_capi(tmp_path, CC="no-such-compiler")
    assert done.returncode == 1
    assert "a C compiler must be installed, found none of no-such-compiler" in done.stderr
    assert not (tmp_path / "prefix").exists()
