"""Along memory: gradients' sums of long contiguous runs, and used while others are found."""

from numbanorm.kernels.compile.options import leaf
from numbanorm.kernels.loops import pieces
from numbanorm.kernels.loops.along import cut, sum_runs
from numbanorm.kernels.loops.gradients import around_mean, gradient_centre
from numbanorm.kernels.loops.overlap import read_and_write, together
from numbanorm.kernels.loops.runs import PAIRS, Read, alone
from numbanorm.kernels.simd.pointers import at
from numbanorm.kernels.simd.vec import splat, totals
from numbanorm.kernels.tiles import along_tiles
from numbanorm.plan.tuning import AHEAD, NEAR


@leaf
def tile_gradient(dy, x, runs, tile, mean, rstd):
    """Return the sums of dy, dy * (x - mean) and x - mean of a tile of a line.

    dy and x point to the line's first elements.
    """
    first, rows, start, stop = cut(runs, tile)
    base, n = at((dy, x), first * runs.stride + start), stop - start
    centre, kind = gradient_centre(mean, rstd, x), pieces.gradient
    found = sum_runs(kind, base, rows, runs.stride, n, splat(centre), AHEAD, PAIRS)
    return around_mean(found, float(rows * n), mean, centre)


@leaf
def line_gradient(dy, x, runs, mean, rstd):
    """Return these sums of a whole line, its tiles added in order."""
    s0, s1, sx = 0.0, 0.0, 0.0
    _, _, tiles = along_tiles(runs.outer, runs.chunk)
    for tile in range(tiles):
        t0, t1, tx = tile_gradient(dy, x, runs, tile, mean, rstd)
        s0, s1, sx = s0 + t0, s1 + t1, sx + tx
    return s0, s1, sx


@leaf
def gradient_reading(dx, source, following, statistic, runs, coefs, training, streamed):
    """Write one line's dx while reading the next one, `following`; returns that one's three sums.

    Both are dy and x of a line's first elements; `statistic` is the mean and rstd of the next. The
    sums are those of `line_gradient`, to the bit.
    """
    outer, stride, chunk = runs
    centre, mean = gradient_centre(statistic[0], statistic[1], dx), statistic[0]
    kind = pieces.gradient
    vectors, centres = splat(coefs), splat(centre)
    s0, s1, sx = 0.0, 0.0, 0.0
    # A line of one run is followed by the next line.
    along = stride if outer > 1 else chunk
    _, _, tiles = along_tiles(outer, chunk)
    for tile in range(tiles):
        first, rows, start, stop = cut(runs, tile)
        n = stop - start
        behind = n if stop < chunk else along - start
        one, two = pieces.no_gradients(dx), pieces.no_gradients(dx)
        for r in range(first, first + rows):
            i = r * stride + start
            run = alone(at(dx, i), at(source, i), n, vectors, training, streamed)
            more = Read(at(following, i), n, centres, None)
            found, apply = (one, two), pieces.input_gradient
            one, two = read_and_write(together, kind, found, more, PAIRS, apply, run, behind, NEAR)
        t0, t1, tx = around_mean(totals(one, two), float(rows * n), mean, centre)
        s0, s1, sx = s0 + t0, s1 + t1, sx + tx
    return s0, s1, sx
