"""Group norm: the suite of all norms, and what is its own."""

import norm_suite


class TestGroupNorm(norm_suite.ChannelSuite):
    norm = "group"
