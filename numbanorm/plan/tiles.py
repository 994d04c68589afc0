"""How work is cut: fixed tiles, whose sums never depend on who computes them.

The cut is a function of the view alone. Threads only choose which tiles they take, so that partial
sums, and the order in which they are merged, are the same for any number of threads.
"""

from numbanorm.plan.tuning import (
    ACROSS_ROWS,
    ACROSS_SHARES,
    ACROSS_TILE,
    ALONG_TILE,
    LARGE_ROWS,
    LEAST_ACROSS_ROWS,
    LEAST_ROW_TILE,
    MAX_ROW_TILES,
    MIN_COLUMNS,
    ROW_TILE,
    SECTION_STEP,
)


def along_tiles(outer: int, chunk: int) -> tuple[int, int, int]:
    """Return (rows, parts, tiles) of one statistic made of `outer` contiguous chunks.

    A tile is `rows` whole chunks (parts == 1), or one of `parts` sections of one chunk.
    """
    if chunk > ALONG_TILE:
        parts = (chunk + ALONG_TILE - 1) // ALONG_TILE
        return 1, parts, outer * parts
    rows = ALONG_TILE // chunk if chunk > 0 else 1
    return rows, 1, (outer + rows - 1) // rows


def section(length: int, parts: int, index: int) -> tuple[int, int]:
    """Return the start and stop of one of `parts` sections, of a multiple of SECTION_STEP each."""
    size = (length + parts - 1) // parts
    size = (size + SECTION_STEP - 1) // SECTION_STEP * SECTION_STEP
    start, stop = index * size, (index + 1) * size
    return (start if start < length else length), (stop if stop < length else length)


def folds(columns: int, lanes: int) -> int:
    """Return how many rows to lay side by side: rows of 3 are worked on as rows of 768."""
    count = 1
    if columns < MIN_COLUMNS:
        while (columns * count) % lanes != 0 or columns * count < MIN_COLUMNS:
            count *= 2
    return count


def across_tiles(outer: int, columns: int, fold: int) -> tuple[int, int]:
    """Return (rows of an across tile, number of such tiles); the rows are a multiple of 8 folds."""
    rows = (ACROSS_TILE + columns - 1) // columns if columns > 0 else 1
    rows = rows if rows > ACROSS_ROWS else ACROSS_ROWS
    # Small arrays are cut finer, for threads to have equal shares.
    share = (outer + ACROSS_SHARES - 1) // ACROSS_SHARES
    share = share if share > LEAST_ACROSS_ROWS else LEAST_ACROSS_ROWS
    rows = rows if rows < share else share
    rows = (rows + 8 * fold - 1) // (8 * fold) * (8 * fold)
    return rows, (outer + rows - 1) // rows


def row_tiles(batch: int, slots: int) -> tuple[int, int]:
    """Return (rows of a tile, tiles) of `batch` rows that have `slots` weights.

    The tiles' sums take under 2 % of a large array's memory; small arrays are cut finer, for any
    number of threads.
    """
    rows = (batch + MAX_ROW_TILES - 1) // MAX_ROW_TILES
    rows = rows if rows > LEAST_ROW_TILE else LEAST_ROW_TILE
    rows = rows if rows < ROW_TILE and batch * slots < LARGE_ROWS else ROW_TILE
    return rows, (batch + rows - 1) // rows
