"""The C functions: one table, from which header, cffi's declarations and Numba's signatures come.

`functions.h.in` declares, with a comment, each function that is compiled from Python; ``T`` stands
for the type of x, ``P`` for that of parameters, and ``_T`` for ``_f32`` and so on. `library.h.in`
declares what only the shared library has, and `numbanorm.h.in` is the rest of the header.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from numbanorm import __version__
from numbanorm._status import RULES, Status

if TYPE_CHECKING:
    from cffi import FFI

# Counts incompatible changes; a test compares the digest of the declarations with the one recorded
# for it. A function that is added changes the digest, but not this.
ABI_VERSION = 2
DIGESTS = {
    1: "d95a6f41090da0dcdaf2bd81d3fa15e98ea561f5dbcaf8d8ce36e69f63d7db3b",
    2: "d94de681d63400c536e566cc5d995203902abfae66753a50382fa5a2b39d9a32",
}

# What the letters T and P stand for; of 16-bit floats C has but the bits.
TYPES = {
    "f32": ("float", "float"),
    "f64": ("double", "double"),
    "f16": ("uint16_t", "float"),
    "bf16": ("uint16_t", "float"),
}

# What T stands for besides, in functions whose names end in ``_M`` there.
INTEGER_TYPES = {"u8": "uint8_t", "u16": "uint16_t", "i16": "int16_t"}

# What X and Y stand for in functions of images, which end in ``_I`` there.
IMAGE_TYPES = {
    "u8_f32": ("uint8_t", "float"),
    "u8_f16": ("uint8_t", "uint16_t"),
    "u8_bf16": ("uint8_t", "uint16_t"),
    "u16_f32": ("uint16_t", "float"),
    "i16_f32": ("int16_t", "float"),
    "f32_f32": ("float", "float"),
}

# For which kinds a function is declared, by the end of its name.
_KINDS: dict[str, Any] = {
    "_T(": TYPES,
    "_I(": IMAGE_TYPES,
    "_M(": TYPES | dict.fromkeys(INTEGER_TYPES),
}

# Longest line of a declaration, without its semicolon.
_COLUMNS = 99

_DECLARATION = re.compile(r"(/\*.*?\*/)\s*((?:[^;/]|/(?!\*))*;(?:\s*[^;/]+;)*)", re.DOTALL)
_PROTOTYPE = re.compile(r"(?P<returns>[\w ]+[ *])(?P<name>nbn_\w+)\((?P<parameters>[^)]*)\);")


@dataclass(frozen=True)
class Function:
    """A function of the C interface.

    Attributes
    ----------
    name : str
        As in C, like "nbn_layer_norm_f32".
    returns, parameters : str
        C's text of what it returns and takes.
    kind : str
        Of `TYPES`, `INTEGER_TYPES` or `IMAGE_TYPES`, or "" where there is but one.
    """

    name: str
    returns: str
    parameters: str
    kind: str

    @property
    def field(self) -> str:
        """The name without its prefix: that of the table's field, and of the entry in Python."""
        return self.name.removeprefix("nbn_")

    @property
    def entry(self) -> str:
        """The name of the Python function that all types share."""
        return self.field.removesuffix(f"_{self.kind}") if self.kind else self.field

    @property
    def argument_names(self) -> list[str]:
        """The names of the parameters."""
        if self.parameters == "void":
            return []
        return [part.split()[-1].lstrip("*") for part in self.parameters.split(",")]

    def pointer(self) -> str:
        """Return the C type of pointers to it, in which a struct is the integers it consists of."""
        return f"{self.returns}(*)({self.parameters})".replace("nbn_moments", "int64_t")

    def prototype(self, name: str = "", indent: str = "") -> str:
        """Return the C declaration, under this name, in short lines, without its semicolon."""
        return _wrapped(f"{indent}{self.returns}{name or self.name}(", f"{self.parameters})")


def _wrapped(start: str, rest: str) -> str:
    if len(start) + len(rest) <= _COLUMNS:
        return start + rest
    indent = " " * (len(start) - len(start.lstrip(" ")) + 4)
    lines, parts = [start], [part.strip() for part in rest.split(",")]
    for i, part in enumerate(parts):
        part += "," if i + 1 < len(parts) else ""
        if lines[-1] == start or len(lines[-1]) + 1 + len(part) > _COLUMNS:
            lines.append(indent + part)
        else:
            lines[-1] += " " + part
    return "\n".join(lines)


def _template(name: str, package: str = __package__) -> str:
    return resources.files(package).joinpath(name).read_text("utf-8")


def _typed(text: str, kind: str) -> str:
    if kind in IMAGE_TYPES:
        x, y = IMAGE_TYPES[kind]
        text = re.sub(r"\bX\b", x, text).replace("_I(", f"_{kind}(")
        return re.sub(r"\bY\b", y, text)
    data, parameter = TYPES.get(kind) or (INTEGER_TYPES[kind], "")
    text = re.sub(r"\bT\b", data, text).replace("_T", f"_{kind}").replace("_M(", f"_{kind}(")
    return re.sub(r"\bP\b", parameter, text)


def _parsed(prototype: str, kind: str) -> Function:
    found = _PROTOTYPE.fullmatch(" ".join(prototype.split()))
    if found is None:
        raise ValueError(f"a declaration must read like a prototype, got {prototype!r}")
    return Function(found["name"], found["returns"], found["parameters"], kind)


@lru_cache(maxsize=2)
def _commented(name: str) -> tuple[tuple[str, tuple[Function, ...]], ...]:
    """Return each comment of a template with the functions it describes."""
    found = []
    for comment, text in _DECLARATION.findall(_template(name)):
        kinds = next((list(of) for sign, of in _KINDS.items() if sign in text), [""])
        comment = comment.replace("_T", "_f32") if "_T(" in text else comment
        prototypes = [part.strip() + ";" for part in text.split(";") if part.strip()]
        functions = [
            _parsed(_typed(prototype, kind) if kind else prototype, kind)
            for prototype in prototypes
            for kind in kinds
        ]
        found.append((comment, tuple(functions)))
    return tuple(found)


def functions() -> list[Function]:
    """Return the functions that are compiled from Python, in the order of the table."""
    return [one for _, several in _commented("functions.h.in") for one in several]


def library_functions() -> list[Function]:
    """Return the functions that only the shared library has."""
    return [one for _, several in _commented("library.h.in") for one in several]


def _declared() -> str:
    blocks = [
        "\n".join([comment, *(f"{one.prototype(indent='NBN_API ')};" for one in several)])
        for name in ("functions.h.in", "library.h.in")
        for comment, several in _commented(name)
    ]
    return "\n\n".join(blocks)


def _table() -> str:
    return "\n".join(f"{one.prototype(f'(*{one.field})', '    ')};" for one in functions())


def c_name(status: Status) -> str:
    """Return the name of a status in C."""
    return "NBN_OK" if status is Status.OK else f"NBN_ERROR_{status.name}"


def filled(template: str, package: str = __package__, **values: str) -> str:
    """Return the text of a package's template, each ``@NAME@`` in it replaced by a value."""
    major, minor, patch = re.findall(r"\d+", __version__)[:3]
    values |= {"MAJOR": major, "MINOR": minor, "PATCH": patch}
    values |= {"VERSION": __version__, "ABI": str(ABI_VERSION)}
    return re.sub(r"@(\w+)@", lambda found: values[found[1]], _template(template, package))


def header() -> str:
    """Return the text of numbanorm.h."""
    last = list(Status)[-1]
    statuses = [
        f"    {c_name(one)} = {one.value}{',' if one is not last else ''} /* {RULES[one]} */"
        for one in Status
    ]
    return filled(
        "numbanorm.h.in", STATUSES="\n".join(statuses), FUNCTIONS=_declared() + "\n", TABLE=_table()
    )


def digest() -> str:
    """Return a digest of all that a caller's compiled code depends on, comments left out."""
    text = re.sub(r"/\*.*?\*/", "", header(), flags=re.DOTALL)
    text = re.sub(r"#define NBN_VERSION.*", "", text)
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def declarations() -> str:
    """Return what `cffi.FFI.cdef` takes: the header without the preprocessor's part."""
    text = re.sub(r"/\*.*?\*/", "", header(), flags=re.DOTALL)
    text = re.sub(
        r'#ifdef __cplusplus\nextern "C" \{\n#endif|#ifdef __cplusplus\n\}\n#endif', "", text
    )
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    return text.replace("NBN_API ", "")


@lru_cache(maxsize=1)
def ffi() -> FFI:
    """Return a cffi interface that knows the declarations."""
    import cffi

    made = cffi.FFI()
    made.cdef(declarations())
    return made
