"""Batch norm in training: the suite of all norms. In inference: what holds of any call."""

import cases
import norm_suite
import pytest
from call_suite import ChannelCallSuite
from norm_calls import inputs, same
from norms import INFERENCE, NORMS


class TestTraining(norm_suite.RunningSuite):
    norm = NORMS["batch"]


class TestInference(ChannelCallSuite):
    norm = INFERENCE

    @pytest.mark.parametrize("dtype", cases.DTYPES)
    def test_running_statistics_stay(self, dtype):
        for case in self.norm.cases(self.norm.shapes + self.norm.large):
            x, *_ = inputs(self.norm, case, dtype)
            mean, var = self.norm.given(case, dtype)
            self.norm.forward(x, case, running_mean=mean, running_var=var, momentum=0.3)
            assert same((mean, var), self.norm.given(case, dtype))
