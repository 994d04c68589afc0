"""Dicts, files and arrays that are of no moments are refused."""

import copy
import math

import numpy as np
import pytest

from numbanorm import Moments

INTEGERS = Moments.of(np.array([[1, 2, 3], [4, 9, 6]], np.uint8))
FLOATS = Moments.of(np.array([[1, 2, 3], [4, 9, 6.5]]))

# Values that `to_dict` gives in no place of integers, where nothing else is changed.
BROKEN = [
    KeyError, None, -1, True, 1.5, "1", "abc", "nan", "123", 10**400, 2**63, {}, [], [1], [1, 2],
    [1.5, 2, 3], ["nan"] * 2, [None] * 3, [True] * 3, [[1], [2], [3]], [10**400] * 3, [2**90] * 3,
    [-(2**17)] * 3, [math.nan] * 3, ["1"] * 3, ["inf", 9, 6], [1, 2, 3, 4],
]  # fmt: skip

# Those of them that are numbers of floats.
NUMBERS = [[1.5, 2, 3], [2**90] * 3, [-(2**17)] * 3, [math.nan] * 3, ["inf", 9, 6]]


def changed(found, place, value):
    """Return a dict with another value in a place, or if that is KeyError without it."""
    found = copy.deepcopy(found)
    *parts, last = place.split(".")
    part = found[parts[0]] if parts else found
    if value is KeyError:
        del part[last]
    else:
        part[last] = value
    return found


@pytest.mark.parametrize(
    "place", ["channels", "min", "max", "integers.count", "integers.sum", "integers.squares"]
)
def test_dicts_that_are_of_no_integers(place):
    for value in BROKEN:
        with pytest.raises(ValueError):
            Moments.from_dict(changed(INTEGERS.to_dict(), place, value))


@pytest.mark.parametrize(
    "place", ["channels", "min", "max", "floats.count", "floats.mean", "floats.rest", "floats.m2"]
)
def test_dicts_that_are_of_no_floats(place):
    for value in BROKEN:
        if value not in NUMBERS or place in ("channels", "floats.count"):
            with pytest.raises(ValueError):
                Moments.from_dict(changed(FLOATS.to_dict(), place, value))


WRONG = {
    "moments must be of kind 'numbanorm.Moments' and version 1, got 'other' and 1": [
        ("kind", "other")
    ],
    "moments must be of kind 'numbanorm.Moments' and version 1, got .* and 2": [("version", 2)],
    r"moments must be what to_dict gives, got KeyError: 'min'": [("min", KeyError)],
    r"moments must be what to_dict gives, got TypeError: 'sum' is no list of 3": [
        ("integers.sum", [7])
    ],
    "sums must be those of 2 integers, got 6 and 17": [("integers.sum", [6, 11, 9])],
    "sums must be those of 1 integers, got 5 and 17": [("integers.count", 1)],
    "sums must be those of 2 integers, got 5 and": [("integers.squares", [2**34, 85, 45])],
    "extremes must be those of integers, got 3.0 and 4.0": [("min", [3, 2, 3])],
    "extremes must be those of integers, got 1.0 and 2.0": [("max", [2, 9, 6])],
    "the least value must not be above the greatest": [("floats.count", 2), ("min", [7, 2, 3])],
    "squared deviations must not be negative, got -1.0": [("floats.m2", [1, 2, -1])],
    "count must be of 0 or more, together at most 9223372036854775807, got": [
        ("integers.count", -(2**63))
    ],
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_said_of_dicts(message):
    floats = any(place.startswith("floats") for place, _ in WRONG[message])
    found = (FLOATS if floats else INTEGERS).to_dict()
    for place, value in WRONG[message]:
        found = changed(found, place, value)
    with pytest.raises(ValueError, match=message):
        Moments.from_dict(found)


def test_counts_of_both_are_together_at_most_those_of_an_int64():
    found = copy.copy(INTEGERS).merge(FLOATS).to_dict()
    found["floats"]["count"] = 2**63 - 3
    assert Moments.from_dict(found).count[0] == 2**63 - 1
    found["floats"]["count"] += 1
    with pytest.raises(ValueError, match="together at most 9223372036854775807"):
        Moments.from_dict(found)


@pytest.mark.parametrize("value", [None, 5, "x", [], [1], (), {}, {"kind": 3}])
def test_what_is_no_dict(value):
    with pytest.raises(ValueError, match="moments must be"):
        Moments.from_dict(value)


FILES = [
    b"", b"[", b"{}", b"[]", b"3", b"null", b"\xff", 10_000 * b"[", 5000 * b"1", b"{} {}",
    b'{"kind": "numbanorm.Moments", "version": 1, "channels": NaN}',
    b'{"kind": "numbanorm.Moments", "version": 1, "channels": 1',
]  # fmt: skip


def test_files_that_are_broken(tmp_path):
    path = tmp_path / "found"
    for text in FILES:
        path.write_bytes(text)
        with pytest.raises(ValueError, match=r"must be JSON, got|moments must be"):
            Moments.load(path)
    with pytest.raises(FileNotFoundError):
        Moments.load(tmp_path / "another")
    with pytest.raises(FileNotFoundError):
        INTEGERS.save(tmp_path / "folder" / "found")


def arrays(**changes):
    """Return the arrays of moments, some of them changed by a function."""
    found = dict(zip(("count", "sums", "values"), INTEGERS.arrays()))
    return [changes.get(name, lambda same: same)(array) for name, array in found.items()]


def put(place, value):
    """Return a function that puts a value into a copy of an array."""

    def change(array):
        array = array.copy()
        array[place] = value
        return array

    return change


ARRAYS = [
    (TypeError, {"count": lambda a: a.astype(np.int32)}),
    (TypeError, {"count": lambda a: a.tolist()}),
    (TypeError, {"sums": lambda a: a.astype(">i8")}),
    (TypeError, {"sums": lambda a: a.astype(np.uint64)}),
    (TypeError, {"values": lambda a: a.astype(np.float32)}),
    (TypeError, {"values": lambda a: a.tolist()}),
    (ValueError, {"count": lambda a: a[:1]}),
    (ValueError, {"sums": lambda a: a.T}),
    (ValueError, {"sums": lambda a: a[:, :2]}),
    (ValueError, {"values": lambda a: a[:, :2]}),
    (ValueError, {"values": lambda a: a.ravel()[:-1]}),
    (ValueError, {"count": put(0, -1)}),
    (ValueError, {"count": put(1, 2**63 - 2)}),
    (ValueError, {"sums": put((1, 0), -1)}),
    (ValueError, {"sums": put((3, 0), 2**32)}),
    (ValueError, {"sums": put((2, 0), -1)}),
    (ValueError, {"values": put((3, 0), np.nan)}),
    (ValueError, {"values": put((4, 1), 9.5)}),
    (ValueError, {"sums": lambda a: a[:, :0], "values": lambda a: a[:, :0]}),
]


@pytest.mark.parametrize(("error", "changes"), ARRAYS)
def test_arrays_that_are_none(error, changes):
    assert Moments.from_arrays(*arrays()) == INTEGERS
    with pytest.raises(error, match=r"must (be|have|not)"):
        Moments.from_arrays(*arrays(**changes))
