"""The bits of all results, as digests in `bits.json`: ``python tests/bits.py --renew [PATTERN]``.

A change that should change no number is proved by them, on any processor: sums have an order of
their own, which neither the width of its vectors nor the number of threads changes. Where they
change on purpose, the entries whose names match the pattern (`"*/dx*"`, `"batch NCHW*"`; all, if
none is given) are made anew, and CHANGELOG.md says why.

An entry is named by the view, the dtype, the data and the output. Alignment, working in place and
threads have no part in the name: whatever they are, the bits are the same.
"""

import fnmatch
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import streams

import numbanorm as nbn
from numbanorm.calls import finishing, operations
from numbanorm.plan import routes
from numbanorm.plan import view as views

TABLE = Path(__file__).with_name("bits.json")

# (batch, outer, group, width, run), so many that every loop, edge and cut is met. Those from 2**20
# elements of float32, or half as many of float64, are streamed too; from 2**17 on, threads share
# them.
_SHAPES = {
    "batch": [
        # samples, channels, values
        (2, 3, 1),
        (3, 5, 64),
        (5, 7, 200),  # several runs to a tile
        (2, 2, 20_000),  # several tiles to a run
        (12, 20, 131),  # bundles, runs that share cache lines
        (70, 34, 130),  # streamed as float64
        (64, 20, 1000),  # streamed
        (3, 2, 190_001),  # streamed, in sections
        (40, 10, 49),  # across, a statistic of many columns
        (300, 70, 64),  # across, streamed
        (1000, 3, 9),
        (2, 33, 20),
        (600, 1700, 1),  # slabs of columns
    ],
    "instance": [(5, 3, 7), (3, 20, 400), (2, 9, 9000), (40, 33, 800), (600, 8, 30), (2, 520, 2)],
    "group": [
        # samples, channels, values, groups
        (3, 6, 7, 3),
        (2, 12, 100, 3),
        (2, 6, 5000, 2),
        (5, 64, 33, 4),
        (30, 24, 1500, 3),
        (4, 32, 4, 2),
        (1, 64, 20_000, 2),
        (9, 48, 1, 6),
    ],
    "row": [
        (1, 1),
        (7, 5),
        (37, 768),
        (300, 64),
        (20, 1003),
        (3, 20_000),
        (2, 300_001),
        (1500, 770),
    ],
}

_MAKERS = {
    "batch": views.batch_view,
    "instance": views.instance_view,
    "group": views.group_view,
}


def _views():
    """Return the views by their names."""
    found = {}
    for norm, shapes in _SHAPES.items():
        for shape in shapes:
            sizes = "x".join(map(str, shape))
            if norm == "row":
                found[f"row {sizes}"] = views.row_view(*shape)
            else:
                for first, layout in ((True, "NCHW"), (False, "NHWC")):
                    n, channels, spatial, *groups = shape
                    view = _MAKERS[norm](first, n, channels, spatial, *groups)
                    found[f"{norm} {layout} {sizes}"] = view
    return found


VIEWS = _views()
DTYPES = "float32", "float64"

# Values as such; far from zero, where sums must be taken twice; and large ones, which take scales.
DATA = "plain", "far", "large"


def uniform(count, seed, dtype):
    """Return numbers in [-1/2, 1/2) by splitmix64, the same everywhere and always."""
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(seed << 32)
        z = z * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    # So many of the upper bits as the dtype holds, times a power of two: exact.
    digits = np.finfo(dtype).nmant + 1
    shifted = (z >> np.uint64(64 - digits)).astype(dtype)
    return shifted * dtype.type(2.0**-digits) - dtype.type(0.5)


def _made(view, dtype, data):
    """Return x, dy, weight, bias, and a mean and a variance for each statistic."""
    size, found, slots = views.size_of(view), view[0] * view[2], view[2] * view[3]
    x, dy = uniform(size, 1, dtype), uniform(size, 2, dtype)
    if data == "far":
        x = x + dtype.type(40_000)
    elif data == "large":
        x = x * dtype.type(2.0**124 if dtype == np.float32 else 2.0**480)
    weight, bias = uniform(slots, 3, dtype) + dtype.type(1), uniform(slots, 4, dtype)
    mean, var = uniform(found, 5, dtype), uniform(found, 6, dtype) + dtype.type(1)
    return x, dy, weight, bias, mean, var


def _at(values, offset):
    """Return a copy that starts so many elements behind a cache line."""
    step = 64 // values.itemsize
    room = np.empty(values.size + 2 * step, values.dtype)
    start = -room.ctypes.data // values.itemsize % step + offset % step
    result = room[start : start + values.size]
    result[...] = values
    return result


def _digest(values):
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:8]


class Placement:
    """Where arrays lie, how many threads work on them, and from how many bytes on they stream.

    No bit depends on these.
    """

    def __init__(self, at_x, at_y, in_place, workers, streamed):
        self.at_x, self.at_y, self.in_place = at_x, at_y, in_place
        self.workers, self.streamed = workers, streamed

    def placed(self, *arrays):
        """Return an array to write to, and copies of these, the first of which it may be."""
        copies = [_at(array, self.at_x + i) for i, array in enumerate(arrays)]
        return copies[0] if self.in_place else _at(arrays[0], self.at_y), *copies


# Threads that divide the work, that don't, and more than there is work for.
PLACEMENTS = [
    Placement(0, 0, False, 1, streams.SOME),
    Placement(3, 5, False, 2, streams.NONE),
    Placement(1, 1, True, 3, streams.SOME),
    Placement(0, 13, False, 16, streams.SOME),
]


def _forward(view, made, where, rows):
    """Yield the names and the arrays of what forward passes give."""
    x, _, weight, bias, mean, var = made
    shape = (view[0] * view[2],)
    for name, w, b in (
        ("wb", weight, bias),
        ("w", weight, None),
        ("b", None, bias),
        ("", None, None),
    ):
        y, here = where.placed(x)
        yield "mean", (found := operations.normalize(y, here, w, b, 1e-5, view, shape))[0]
        yield "var", found[1]
        yield f"y {name}".strip(), y
        y, here = where.placed(x)
        operations.affine(y, here, w, b, *found, 1e-5, view)
        yield f"y {name}".strip(), y
    y, here = where.placed(x)
    operations.affine(y, here, weight, bias, mean, var, 1e-5, view, backwards=True)
    yield "y given", y
    found = operations.moments(where.placed(x)[1], view, shape)
    yield "mean", found[0]
    yield "var", found[1]
    if rows:
        y, here = where.placed(x)
        yield (
            "squares",
            operations.normalize(y, here, weight, None, 1e-5, view, shape, centred=False)[1],
        )
        yield "y squares", y


def _backward(view, made, where, rows):
    """Yield the names and the arrays of what backward passes give."""
    x, dy, weight, _, mean, var = made
    shape = (view[0] * view[2],)
    _, own = where.placed(x)
    centres, variances = operations.moments(own, view, shape)
    rstd = finishing.statistics(centres, variances, 1e-5)[1]
    rounded = centres.astype(x.dtype)
    given = [
        ("", weight, centres, rstd, True, True),
        ("unweighted", None, centres, rstd, True, True),
        ("rounded", weight, rounded, rstd, True, True),
        ("given", weight, mean, var, False, True),
    ]
    if rows:
        given.append(("squares", weight, np.empty(0), rstd, True, False))
    for name, w, m, r, training, centred in given:
        dx, here, there = where.placed(dy, x)
        dweight, dbias = operations.backward(dx, here, there, w, m, r, view, training, centred)
        yield f"dx {name}".strip(), dx
        yield f"dweight {name}".strip(), dweight
        yield f"dbias {name}".strip(), dbias


def _finished(made):
    """Yield the names and the arrays of what is done with statistics."""
    x, _, _, _, mean, var = made
    wide = mean.astype(np.float64), var.astype(np.float64)
    if mean.size > 1:
        running = mean.copy(), var.copy()
        finishing.update_running(*running, None, wide[1], wide[0], mean.size, 0.125)
        yield "running mean", running[0]
        yield "running var", running[1]
    yield "divisor weight", (found := finishing.divisors(wide[0], x.dtype))[0]
    yield "divisor var", found[1]


def digests(view_name, dtype, data):
    """Return the digests of all outputs for a view, by their names."""
    view, found = VIEWS[view_name], {}
    made = _made(view, np.dtype(dtype), data)
    # Only rows are normalised by their mean square.
    rows = view[1] == view[4] == 1
    for where in PLACEMENTS:
        if where.workers > 1 and routes.workers_for(views.size_of(view), 2) == 1:
            where = Placement(where.at_x, where.at_y, where.in_place, 1, where.streamed)
        with nbn.num_threads(where.workers), streams.streamed_from(where.streamed):
            outputs = [*_forward(view, made, where, rows), *_backward(view, made, where, rows)]
        for name, array in [*outputs, *_finished(made)]:
            digest = _digest(array)
            if found.setdefault(name, digest) != digest:
                raise AssertionError(f"{view_name}/{dtype}/{data}/{name} depends on {vars(where)}")
    return found


CASES = [
    (view, dtype, data)
    for view in VIEWS
    for dtype in DTYPES
    for data in DATA
    # What the data does is seen on arrays of some thousand elements.
    if data == "plain" or views.size_of(VIEWS[view]) <= 70_000
]


def known():
    """Return the table: digests by view, by dtype and data, and by output."""
    return json.loads(TABLE.read_text("utf-8")) if TABLE.exists() else {}


def renew(pattern):
    """Make the entries anew whose ``view/dtype/data/output`` matches the pattern."""
    old, new, changed = known(), {}, 0
    for view, dtype, data in CASES:
        kept = old.get(view, {}).get(f"{dtype} {data}", {})
        for name, digest in digests(view, dtype, data).items():
            if fnmatch.fnmatch(f"{view}/{dtype}/{data}/{name}", pattern) or name not in kept:
                changed += kept.get(name) != digest
                kept = {**kept, name: digest}
        new.setdefault(view, {})[f"{dtype} {data}"] = kept
    lines = [f"{json.dumps(view)}: {json.dumps(kinds)}" for view, kinds in new.items()]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
    print(f"{changed} entries changed")


if __name__ == "__main__":
    if sys.argv[1:2] != ["--renew"]:
        sys.exit(__doc__)
    renew(sys.argv[2] if len(sys.argv) > 2 else "*")
