"""Instance norm of images."""

from .suites import ratios, times

SHAPES = ["32x64x56x56"]

Time = times("instance", SHAPES)


class Ratio(ratios("instance", SHAPES)):
    def setup_cache(self):
        return self.measure()
