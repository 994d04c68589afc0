"""Group norm of images."""

from .suites import ratios, times

SHAPES = ["32x64x56x56"]

Time = times("group", SHAPES)


class Ratio(ratios("group", SHAPES)):
    def setup_cache(self):
        return self.measure()
