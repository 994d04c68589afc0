"""Batch norm: a batch of images, and one sample."""

from .suites import ratios, times

SHAPES = ["32x64x56x56", "1x64x56x56"]

Time = times("batch", SHAPES)


class Ratio(ratios("batch", SHAPES)):
    def setup_cache(self):
        return self.measure()
