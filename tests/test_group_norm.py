"""Group norm: the suite of all norms, and what is its own."""

import norm_suite
from norms import NORMS


class TestGroupNorm(norm_suite.ChannelSuite):
    norm = NORMS["group"]
