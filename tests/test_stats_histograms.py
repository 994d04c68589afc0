"""Histograms of `numbanorm stats`: exact, whatever the cut and the order; and their figure."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stats_files import Image, stats, write

from numbanorm.stats import bins, histograms
from numbanorm.stats.bins import Bins

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_integers_are_counted_exactly(dtype):
    limits = np.iinfo(dtype)
    x = np.random.default_rng(0).integers(limits.min, limits.max + 1, (3, 40, 50)).astype(dtype)
    found = histograms.empty(dtype, 3)
    for part in x[:, :7], x[:, 7:]:
        found.update(part)
    for counts, values in zip(found.counts, x):
        expected = np.bincount(values.ravel().astype(int) - limits.min, minlength=len(counts))
        np.testing.assert_array_equal(counts, expected)
    edges, counts = found.bars(1)
    np.testing.assert_array_equal(counts, np.histogram(x[1], edges)[0])
    assert len(counts) == 256 and counts.sum() == x[1].size


def parts(values, cuts):
    edges = [0, *sorted(cut % (len(values) + 1) for cut in cuts), len(values)]
    return [values[a:b] for a, b in itertools.pairwise(edges) if b > a]


@given(st.lists(FLOATS, min_size=1), st.lists(st.integers(0, 100), max_size=4), st.randoms())
def test_any_cut_and_order_of_floats_give_the_same_bins(values, cuts, random):
    values = np.array(values)
    expected = Bins.of(values)
    several = [Bins.of(part) for part in parts(values, cuts)]
    random.shuffle(several)
    found = Bins()
    for one in several:
        found.merge(one)
    assert (found.level, found.first) == (expected.level, expected.first)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.counts.sum() == len(values) and len(found.counts) <= bins.BINS


def test_floats_are_in_their_bins():
    x = np.random.default_rng(0).normal(3, 2, 10_000)
    edges, counts = Bins.of(x).bars()
    assert 128 <= len(counts) <= 256
    np.testing.assert_array_equal(counts, np.histogram(x, edges)[0])
    assert edges[0] <= x.min() < edges[1] and edges[-2] <= x.max() < edges[-1]


def test_what_is_not_finite_is_counted_apart():
    found = histograms.empty("float32", 2)
    found.update(np.array([[1, np.nan, np.inf], [-np.inf, np.nan, np.nan]], np.float32))
    assert found.others == [2, 3]
    assert found.bins[0].counts.tolist() == [1] and not len(found.bins[1].counts)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64"])
def test_what_is_written_is_read(dtype):
    x = np.random.default_rng(0).normal(30, 9, (2, 500)).astype(dtype)
    found = histograms.empty(dtype, 2)
    found.update(x)
    text = json.dumps(found.to_dict())
    read = histograms.from_dict(dtype, 2, json.loads(text))
    assert json.dumps(read.to_dict()) == text
    found.update(x)
    read.update(x)
    assert read.to_dict() == found.to_dict()


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_figures_are_drawn(suffix, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    for mode, name in ("RGB", ".png"), ("I;16", ".png"), ("F", ".tiff"):
        write(tmp_path / mode.replace(";", ""), mode, [(8, 9)] * 3, name)
    Image.fromarray(np.full((2, 2), np.nan, np.float32)).save(tmp_path / "F/nan.tiff")
    target = tmp_path / f"figure{suffix}"
    stats(capsys, tmp_path, "--plot", target)
    assert target.stat().st_size > 10_000


def test_figures_of_other_formats_are_refused_first(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    write(tmp_path, "L", [(2, 2)])
    done = stats(capsys, tmp_path, "--plot", tmp_path / "figure.docx")
    assert done.status == 2 and done.out == "" and "--plot must end with one of " in done.err
