"""Batch norm: a batch of images, arrays that fit a cache, and one sample."""

from .suites import ALL, ratios, times

SHAPES = ["32x64x56x56", "20x100x35x45", "1x64x56x56", "1x544x8x8"]

Time = times("batch", SHAPES)


class Ratio(ratios("batch", SHAPES, sorted({1, ALL}))):
    def setup_cache(self):
        return self.measure()
