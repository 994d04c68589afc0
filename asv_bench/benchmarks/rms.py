"""RMS norm: a transformer's rows, many and few."""

from .suites import ratios, times

SHAPES = ["8192x1024", "257x768"]

Time = times("rms", SHAPES)


class Ratio(ratios("rms", SHAPES)):
    def setup_cache(self):
        return self.measure()
