"""How workers share the tiles of statistics, or of lines, that are read along memory."""

from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.tiles import along_tiles, following
from numbanorm.plan.tuning import CLAIM


@inlined
def each_tile(queue, view, runs, owners, visit, args):
    """Visit each tile of so many owners of runs: ``visit(view, runs, owner, tile, unit, args)``.

    A worker does so as it claims them. Units are all tiles, numbered in order.
    """
    rows, _, tiles = along_tiles(runs.outer, runs.chunk)
    step = max(1, CLAIM // max(1, rows * min(runs.chunk, CLAIM)))
    units = owners * tiles
    unit, stop = following(queue, units, step, False, -1, 0)
    while unit < units:
        visit(view, runs, unit // tiles, unit % tiles, unit, args)
        unit, stop = following(queue, units, step, False, unit, stop)
