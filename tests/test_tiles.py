"""How work is cut: every element is in one tile, whatever the sizes. (Kernels compile the same.)"""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from numbanorm.plan import slabs, tuning, view
from numbanorm.plan import tiles as cut

SIZES = st.integers(1, 100_000)
LANES = st.sampled_from([8, 16])


@given(SIZES, SIZES)
def test_along_tiles_hold_each_chunk_once(outer, chunk):
    rows, parts, tiles = cut.along_tiles(outer, chunk)
    assert rows == 1 or parts == 1
    if parts > 1:
        assert tiles == outer * parts
        sections = [cut.section(chunk, parts, index) for index in range(parts)]
        assert sections[0][0] == 0 and sections[-1][1] == chunk
        assert all(a[1] == b[0] for a, b in itertools.pairwise(sections))
        assert max(stop - start for start, stop in sections) <= tuning.ALONG_TILE
    else:
        assert (tiles - 1) * rows < outer <= tiles * rows
        assert rows * chunk <= tuning.ALONG_TILE


@given(SIZES, LANES)
def test_folded_rows_fill_vectors(columns, lanes):
    count = cut.folds(columns, lanes)
    assert count == 1 or columns * count % lanes == 0
    assert columns * count >= tuning.MIN_COLUMNS


@given(SIZES, SIZES, LANES)
def test_across_tiles_hold_each_row_once(outer, columns, lanes):
    fold = cut.folds(columns, lanes)
    rows, tiles = cut.across_tiles(outer, columns, fold)
    assert rows % (8 * fold) == 0
    assert (tiles - 1) * rows < outer <= tiles * rows


@given(SIZES, SIZES)
def test_row_tiles_hold_each_row_once(batch, slots):
    rows, tiles = cut.row_tiles(batch, slots)
    assert tuning.LEAST_ROW_TILE <= rows <= tuning.ROW_TILE
    assert (tiles - 1) * rows < batch <= tiles * rows


@given(SIZES, st.integers(1, 5000), st.integers(0, 15))
def test_slabs_hold_each_column_once(columns, size, lead):
    lead = min(lead, columns)
    count = slabs.slab_count(columns, size, lead)
    bounds = [slabs.slab_bounds(columns, size, lead, index) for index in range(count)]
    assert bounds[0][0] == 0 and bounds[-1][1] == columns
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_least_common_multiple(a, b):
    assert slabs.least_common_multiple(a, b) == np.lcm(a, b)


def test_nothing_is_cut_into_nothing():
    assert cut.along_tiles(0, 0)[2] == 0
    assert cut.across_tiles(0, 0, 1)[1] == 0
    assert cut.row_tiles(0, 0)[1] == 0
    assert view.row_view(0, 0) == (0, 1, 1, 0, 1)
    assert view.group_view(True, 0, 0, 0, 0) == (0, 1, 0, 0, 0)
