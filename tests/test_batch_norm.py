"""Batch norm: the suite of all norms, and inference by running statistics."""

import norm_suite
from norms import INFERENCE, NORMS


class TestTraining(norm_suite.RunningSuite):
    norm = NORMS["batch"]


class TestInference(norm_suite.ChannelCallSuite):
    norm = INFERENCE
