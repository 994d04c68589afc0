"""What operations are given, as pointers.

Arrays are flat and contiguous; `view` is (batch, outer, group, width, run); weight and bias may be
empty, or null; mean and var hold (batch, group) values, float64 where they are results.
"""

from typing import Any, NamedTuple

from numbanorm.kernels.compile.options import inlined
from numbanorm.kernels.loops.along import Runs
from numbanorm.kernels.loops.coefficients import Norm
from numbanorm.kernels.simd.pointers import optional, pointer


@inlined
def forward_given(args):
    """Return (y, x, what it is normalised by, how) of (y, x, weight, bias, mean, var, eps, how).

    `how` is, for given statistics, whether to start at the end, where x is still in the cache; for
    x's own, whether to centre x (else, in rows only, it is normalised by its mean square).
    """
    y, x, weight, bias, mean, var, eps, how = args
    norm = Norm(optional(weight), optional(bias), pointer(mean), pointer(var), eps)
    return pointer(y), pointer(x), norm, how


class Gradients(NamedTuple):
    """Where a backward pass writes; dweight and dbias may be null."""

    dx: Any
    dweight: Any
    dbias: Any


class Forward(NamedTuple):
    """What a backward pass goes back through: x, its statistics, and the weight, which may be null.

    `training` says whether the statistics are x's own; if not `centred`, in rows only, x was
    normalised by its mean square, and mean is null.
    """

    x: Any
    weight: Any
    mean: Any
    rstd: Any
    training: Any
    centred: Any


@inlined
def backward_given(args):
    """Return where gradients go, dy, and what was done forward.

    `args` is (dx, dweight, dbias, dy, x, weight, mean, rstd, training, centred).
    """
    dx, dweight, dbias, dy, x, weight, mean, rstd, training, centred = args
    to = Gradients(pointer(dx), optional(dweight), optional(dbias))
    weight, mean = optional(weight), optional(mean)
    return to, pointer(dy), Forward(pointer(x), weight, mean, pointer(rstd), training, centred)


@inlined
def runs_of(view):
    """Return the runs of a statistic."""
    _, outer, group, width, run = view
    return Runs(outer, group * width * run, width * run)


@inlined
def line_runs(view):
    """Return the runs of a line: all that has one statistic and one weight."""
    _, outer, group, width, run = view
    return Runs(outer, group * width * run, run)


@inlined
def statistic_start(view, s):
    """Return the index of the first element of statistic s."""
    _, outer, group, width, run = view
    return (s // group * outer * group + s % group) * width * run


@inlined
def line_start(view, line):
    """Return the index of the first element of line (batch, group, width)."""
    _, outer, group, width, run = view
    slots = group * width
    return (line // slots * outer * slots + line % slots) * run
