"""What the rows of the table of norms have in common."""

from dataclasses import dataclass, field
from typing import Any

import cases
from hypothesis import strategies as st
from reference import Reference

import numbanorm as nbn


@dataclass(frozen=True)
class Case:
    """One input: its shape as (N, C, *spatial), the layout it is laid out in, and options."""

    shape: tuple
    layout: str = "NCHW"
    options: dict = field(default_factory=dict)

    def __str__(self):
        sizes = "x".join(map(str, self.shape))
        options = ",".join(f"{k}={v}" for k, v in self.options.items())
        return f"{self.layout}-{sizes}-{options}".replace(" ", "").rstrip("-")

    @property
    def arranged(self):
        return cases.arrange(self.shape, self.layout)


class Norm:
    """What all norms have in common. The methods say what a subclass says of its own."""

    name = ""
    layouts = cases.LAYOUTS
    centred = True
    shapes: Any = ()  # (shape, options)
    large: Any = ()

    def cases(self, shapes):
        return [Case(s, layout, o) for s, o in shapes for layout in self.layouts]

    def parts(self, case):
        """Return, for every element, the number of its statistic and of its weight."""
        raise NotImplementedError

    def reference(self, case):
        """Return the formulas in NumPy."""
        return Reference(*self.parts(case), self.centred)

    def given(self, case, dtype):
        """Return the mean and the variance that are given to it, if they are not x's own."""
        return None

    def options(self, shape):
        """Return a strategy of options for a shape."""
        return st.just({})

    def drawn(self, shapes=None):
        """Return a strategy of cases."""

        @st.composite
        def draw_case(draw):
            shape = draw((shapes or cases.shapes)().filter(self.allows))
            return Case(shape, draw(st.sampled_from(self.layouts)), draw(self.options(shape)))

        return draw_case()

    def allows(self, shape):
        """Return whether the norm takes this shape."""
        return True

    def weight_shape(self, case):
        return (case.shape[1],)

    def stats_shape(self, case):
        raise NotImplementedError

    def arguments(self, case):
        """Return the positional arguments between x and weight."""
        return ()

    def keywords(self, case):
        return {"layout": case.layout}

    def forward(self, x, case, weight=None, bias=None, eps=1e-5, **more):
        """Call the norm; with `return_stats` the mean and rstd come too."""
        function = getattr(nbn, f"{self.name}_norm")
        given = {"weight": weight, "bias": bias, "eps": eps} | self.keywords(case) | more
        return function(x, *self.arguments(case), **given)

    def backward(self, dy, x, mean, rstd, case, weight=None, **more):
        """Call the gradient."""
        function = getattr(nbn, f"{self.name}_norm_backward")
        given = {"weight": weight} | self.keywords(case) | more
        return function(dy, x, mean, rstd, *self.arguments(case), **given)

    def torch(self, tensor, case, weight=None, bias=None, eps=1e-5):
        """Call PyTorch's function on a tensor of shape (N, C, *spatial)."""
        raise NotImplementedError
