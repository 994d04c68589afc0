"""The functions that Python calls, and the arrays for which they are compiled ahead.

What a function is given is spelled by letters: an array of a kind, in capitals where it is one of
those that differ between the functions compiled, or a number::

    X, Y     x and what it becomes: floats, or of what pixels are
    G, H     statistics or parameters of floats, of either kind
    p        what is computed with: parameters
    s        float64: statistics, sums
    i        int64
    n, k, f  a number: float64, int64, whether

A function's symbol ends in the characters of its kinds, those by which NumPy knows dtypes
(`numpy.dtype.char`), as arrays are handed over: b stands for float16, ? for bfloat16.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

HALF, BRAIN = "b", "?"
FLOATS = "f", "d", HALF, BRAIN
INTEGERS = "B", "H", "h"
PIXELS = (*INTEGERS, *FLOATS)


def computed(kind: str) -> str:
    """Return the kind of what is computed with."""
    return "d" if kind == "d" else "f"


class Function(NamedTuple):
    """A function of a module of `numbanorm.kernels.operations`.

    Attributes
    ----------
    name : str
        The module and its function.
    letters : str
        What it is given, but for the view and the number of threads.
    kinds : tuple of str
        For which kinds it is compiled: characters for its letters in capitals, in their order.
    """

    name: str
    letters: str
    kinds: tuple[str, ...]

    @property
    def keys(self) -> list[int]:
        """The places of those arguments whose kinds differ."""
        wanted = dict.fromkeys(letter for letter in self.letters if letter.isupper())
        return [self.letters.index(letter) for letter in wanted]

    @property
    def shape(self) -> str:
        """What it is given, any array being an a: functions of a shape are called alike."""
        return "".join(letter if letter in "nkf" else "a" for letter in self.letters)

    def symbol(self, kinds: str) -> str:
        """Return the name of the function compiled for some kinds."""
        return f"{self.name}.{kinds}"

    def spelled(self, kinds: str) -> Iterator[str]:
        """Yield what it is given: the kind of each array, or the letter of a number."""
        found = dict(zip((self.letters[i] for i in self.keys), kinds))
        found |= {"s": "d", "i": "q", "p": computed(found.get("X", "d"))}
        for letter in self.letters:
            yield found.get(letter, letter)


def _pairs(kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map("".join, itertools.product(kinds, repeat=2)))


# Statistics are given in float64, or as parameters are.
_GIVEN = tuple(dict.fromkeys(x + given for x in FLOATS for given in ("d", computed(x))))
_ROUTES = "along", "across", "rows"

# Called with a view, these arguments, and a number of threads.
OPERATIONS = [
    *(Function(f"moments_{route}.moments", "Xss", FLOATS) for route in _ROUTES[:2]),
    *(Function(f"forward_{route}.normalize", "XXppssnf", FLOATS) for route in _ROUTES),
    *(Function(f"forward_{route}.affine", "XXppGGnf", _GIVEN) for route in _ROUTES),
    *(Function(f"backward_{route}.backward", "XppXXpssff", FLOATS) for route in (*_ROUTES, "few")),
    Function("backward_parts.gradient_sums", "sXXss", FLOATS),
    Function("backward_parts.input_gradient", "XXXpsssnf", FLOATS),
    Function("copying.copy", "XXXk", FLOATS),
    Function("images.normalize", "iYXssknf", tuple(y + x for y in FLOATS for x in PIXELS)),
    Function("summaries.summarize", "Xis", PIXELS),
]

# Called with these arguments alone.
SERIAL = [
    Function("finishing.update", "GHisskkkn", _pairs(FLOATS)),
    Function("finishing.statistics", "ssGHn", _pairs(FLOATS)),
    Function("finishing.divide_by", "sGs", ("f", "d")),
    Function("finishing.variances", "sn", ("",)),
    Function("finishing.mean_squares", "ss", ("",)),
    Function("finishing.widen", "sG", FLOATS),
    Function("merging.merge", "iisiis", ("",)),
]

# The modules in which all of them are.
MODULES = sorted({one.name.partition(".")[0] for one in (*OPERATIONS, *SERIAL)})
