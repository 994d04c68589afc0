"""Moments as dicts, files, pickles and arrays, every bit kept."""

import copy
import json
import os
import pickle
import stat
from pathlib import Path

import numpy as np
import pictures
import pytest
from processes import run

from numbanorm import Moments


def odd():
    """Return moments of floats that JSON has no numbers for."""
    return Moments.of(np.array([[1, np.nan, np.inf, -np.inf], [0.1, 1, 1e300, -5e-324]]))


def far():
    """Return moments whose sums no int64 holds."""
    m = Moments.of(np.array([[65535, 0, 65534], [65535, 1, 3]], np.uint16))
    for _ in range(61):
        m.merge(m)
    return m


SAMPLES = {
    "nothing": Moments(),
    "no values": Moments.of(np.empty((0, 3))),
    "integers": Moments.of(pictures.pixels((7, 3), np.int16)),
    "floats": Moments.of(pictures.pixels((7, 3), np.float64)).update(np.full((1, 3), 1e9)),
    "both": Moments.of(pictures.pixels((7, 3), np.uint8)).update(np.full((1, 3), 0.1)),
    "not finite": odd(),
    "far": far(),
    "one channel": Moments.of(pictures.pixels((7, 1), np.float32)),
}


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


@pytest.fixture(params=SAMPLES)
def m(request):
    return SAMPLES[request.param]


def test_json(m):
    """Strictly JSON, every bit kept; of fields of its own."""
    text = json.dumps(m.to_dict(), allow_nan=False)
    found = json.loads(text, parse_constant=refuse)
    again = Moments.from_dict(found)
    assert again == m and again.to_dict() == found == m.to_dict()
    assert list(found)[:3] == ["kind", "version", "channels"]
    same_numbers(again, m)


def same_numbers(a, b):
    for name in ("count", "mean", "min", "max"):
        assert pictures.same(getattr(a, name), getattr(b, name))
    assert pictures.same(a.var(), b.var()) and pictures.same(a.std(), b.std())


def test_what_json_lacks():
    found = odd().to_dict()
    assert found["floats"]["mean"][0] == 0.55 and "nan" in found["floats"]["mean"]
    assert found["min"] == [0.1, "nan", 1e300, "-inf"]
    assert found["max"] == [1.0, "nan", "inf", -5e-324]


def test_files(m, tmp_path):
    for path in (tmp_path / "found.json", str(tmp_path / ("x" * 255))):
        m.save(path)
        m.save(path)
        json.loads(Path(path).read_text("utf-8"), parse_constant=refuse)
        assert Moments.load(path) == m
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_has_the_rights_of_others(tmp_path):
    (tmp_path / "other").touch()
    SAMPLES["floats"].save(tmp_path / "found")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


@pytest.mark.parametrize("fault", ["write", "replace", "rights"])
def test_a_file_that_is_not_written(fault, tmp_path, monkeypatch):
    """The old one is there yet, and nothing beside it."""
    path = tmp_path / "found"
    SAMPLES["integers"].save(path)

    def fails(*args, **keywords):
        raise OSError("there is no room")

    if fault == "rights":
        tmp_path.chmod(0o500)
        if os.access(tmp_path, os.W_OK):
            pytest.skip("whoever this is may write anywhere")
    else:
        owner, name = (json, "dump") if fault == "write" else (Path, "replace")
        monkeypatch.setattr(owner, name, fails)
    with pytest.raises(OSError):
        SAMPLES["floats"].save(path)
    tmp_path.chmod(0o700)
    assert [one.name for one in tmp_path.iterdir()] == ["found"]
    assert Moments.load(path) == SAMPLES["integers"]


def test_pickles_and_copies(m):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(m, protocol)) == m
    for other in (copy.copy(m), copy.deepcopy(m)):
        assert other == m
        other.update(np.ones((1, max(1, len(m.count)))))
        assert other != m


PROGRAM = """
import pickle, sys
import numpy as np
import numbanorm as nbn
m = pickle.loads(bytes.fromhex(sys.argv[1]))
m.update(np.full((2, 3), 7, np.uint8))
print(pickle.dumps(m).hex())
"""


def test_a_pickle_in_another_process():
    m = SAMPLES["both"]
    found = pickle.loads(bytes.fromhex(run(PROGRAM, pickle.dumps(m).hex()).strip()))
    assert found == copy.copy(m).update(np.full((2, 3), 7, np.uint8))


def test_equality_and_words():
    m = SAMPLES["integers"]
    assert m == copy.copy(m) and m != SAMPLES["floats"] and m != 5 and (m == 5) is False
    assert m != m.to_dict() and m == type("Other", (Moments,), {}).from_dict(m.to_dict())
    with pytest.raises(TypeError, match="unhashable"):
        hash(m)
    assert repr(Moments.of(np.arange(12, dtype=np.float32).reshape(2, 6))) == (
        "Moments(channels=6, count=2, mean=[3, 4, 5, 6, ...], std=[3, 3, 3, 3, ...])"
    )


def test_arrays(m):
    count, sums, values = m.arrays()
    channels = len(m.count)
    assert count.shape == (2,) and sums.shape == (4, channels) and values.shape == (5, channels)
    again = Moments.from_arrays(count, sums, values)
    for given in (
        (count, sums.ravel(), values.ravel()),
        (count, np.asfortranarray(sums), np.asfortranarray(values)),
        (np.ma.array(count), np.repeat(sums, 2, axis=1)[:, ::2], values[::-1].copy()[::-1]),
    ):
        assert Moments.from_arrays(*given) == m
    # Where there are none, what would be of them need not be known.
    for array, there in ((sums, count[0]), (values[:3], count[1]), (values, count.sum())):
        if not there:
            array[...] = np.array(np.nan).astype(array.dtype) if array is not sums else -7
    assert Moments.from_arrays(count, sums, values) == m
    for array in (count, sums, values):
        array[...] = 77
    assert again == m
    same_numbers(again, m)


def test_arrays_of_what_has_no_values_yet():
    for m in (Moments(), SAMPLES["no values"]):
        count, sums, values = m.arrays(channels=3)
        assert not count.any() and sums.shape == (4, 3) and values.shape == (5, 3)
    assert Moments.from_arrays(*Moments().arrays()) == Moments()
    for channels, error in ((-1, ValueError), (2, ValueError), (3.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match=r"^channels must be .*, got "):
            SAMPLES["no values"].arrays(channels)
