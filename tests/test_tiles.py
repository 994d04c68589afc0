"""How work is cut: every element is in one tile, whatever the sizes. (Kernels compile the same.)"""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from numbanorm import _plan, _tiles

SIZES = st.integers(1, 100_000)
LANES = st.sampled_from([8, 16])


@given(SIZES, SIZES)
def test_along_tiles_hold_each_chunk_once(outer, chunk):
    rows, parts, tiles = _tiles.along_tiles(outer, chunk)
    assert rows == 1 or parts == 1
    if parts > 1:
        assert tiles == outer * parts
        pieces = [_tiles.piece(chunk, parts, index) for index in range(parts)]
        assert pieces[0][0] == 0 and pieces[-1][1] == chunk
        assert all(a[1] == b[0] for a, b in itertools.pairwise(pieces))
        assert max(stop - start for start, stop in pieces) <= _tiles.ALONG_TILE
    else:
        assert (tiles - 1) * rows < outer <= tiles * rows
        assert rows * chunk <= _tiles.ALONG_TILE


@given(SIZES, LANES)
def test_folded_rows_fill_vectors(columns, lanes):
    count = _tiles.folds(columns, lanes)
    assert count == 1 or columns * count % lanes == 0
    assert columns * count >= _tiles.MIN_COLUMNS


@given(SIZES, SIZES, LANES)
def test_across_tiles_hold_each_row_once(outer, columns, lanes):
    fold = _tiles.folds(columns, lanes)
    rows, tiles = _tiles.across_tiles(outer, columns, fold)
    assert rows % (8 * fold) == 0
    assert (tiles - 1) * rows < outer <= tiles * rows


@given(SIZES, SIZES)
def test_row_tiles_hold_each_row_once(batch, slots):
    rows, tiles = _tiles.row_tiles(batch, slots)
    assert _tiles.LEAST_ROW_TILE <= rows <= _tiles.ROW_TILE
    assert (tiles - 1) * rows < batch <= tiles * rows


@given(SIZES, st.integers(1, 5000), st.integers(0, 15))
def test_slabs_hold_each_column_once(columns, size, lead):
    lead = min(lead, columns)
    count = _tiles.slab_count(columns, size, lead)
    bounds = [_tiles.slab_bounds(columns, size, lead, index) for index in range(count)]
    assert bounds[0][0] == 0 and bounds[-1][1] == columns
    assert all(a[1] == b[0] for a, b in itertools.pairwise(bounds))


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_least_common_multiple(a, b):
    assert _plan.least_common_multiple(a, b) == np.lcm(a, b)


def test_nothing_is_cut_into_nothing():
    assert _tiles.along_tiles(0, 0)[2] == 0
    assert _tiles.across_tiles(0, 0, 1)[1] == 0
    assert _tiles.row_tiles(0, 0)[1] == 0
    assert _plan.row_view(0, 0) == (0, 1, 1, 0, 1)
    assert _plan.group_view(True, 0, 0, 0, 0) == (0, 1, 0, 0, 0)
