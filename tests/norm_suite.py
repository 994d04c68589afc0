"""What every norm of the table must do; `test_*_norm.py` run it, each for one norm."""

import cases
import numpy as np
import pytest
from call_suite import CallSuite, ChannelCallSuite, to_torch
from hypothesis import given, settings
from hypothesis import strategies as st
from norm_calls import call, check, check_sums, forward, inputs, same


class Suite(CallSuite):
    """What holds of norms that take their statistics from x."""

    @pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6])
    def test_accuracy_at_any_mean(self, case, ratio):
        """`E[x^2] - E[x]^2` in float32 fails from 1e2 on, as does `x*a + b`."""
        x, dy, weight, bias = inputs(self.norm, case, mean=ratio, std=1.0)
        check(self.norm, case, x, dy, weight, bias)

    @pytest.mark.parametrize("data", ["quantized", "cancelling"])
    def test_sums_of_gradients(self, any_size, data):
        """They are taken in float32 over short stretches: errors may all have one sign, and what
        they are errors of may cancel.
        """
        x, dy, weight, _ = inputs(self.norm, any_size)
        truth = self.norm.reference(any_size)
        if data == "quantized":
            x, dy = np.round(x * 16) / 16, np.float32(0.1) * (np.ceil(np.abs(dy) * 8))
        else:
            x_hat = truth.forward(x)[1]
            share = truth.slot.sums(dy * x_hat) / np.maximum(truth.slot.sums(x_hat**2), 1e-30)
            dy = dy - x_hat * truth.slot.spread(share)
            dy = (dy - truth.slot.spread(truth.slot.means(dy))).astype(np.float32)
        check_sums(self.norm, any_size, x, dy, weight)

    @pytest.mark.parametrize("magnitude", [1e-40, 1e-30, 1e-10, 1e10, 1e19, 1e30, 1e38])
    @pytest.mark.parametrize("eps", [0.0, 1e-5])
    def test_accuracy_at_any_magnitude(self, case, magnitude, eps):
        """float32 squares overflow from 2e19 on; 1/std overflows below 3e-39."""
        x = cases.normal(case.arranged, np.float64, mean=0.5, std=1.0)
        x = (x / np.abs(x).max() * 3 * magnitude).astype(np.float32)
        _, _, weight, bias = inputs(self.norm, case)
        truth = self.norm.reference(case)
        with np.errstate(all="ignore"):
            wanted, x_hat, _, var = truth.forward(x, weight, bias, eps)
        if (var + eps == 0).any():
            return  # a row of one value has no deviation to divide by
        y = forward(self.norm, case, x, weight, bias, eps)[0]
        assert (np.abs(y - wanted) <= truth.allowed(x_hat, weight, bias, np.float32)).all()

    @pytest.mark.parametrize("value", [0.0, 100.1, 1e7, -3e38, 1e-40])
    def test_constant_gives_exactly_bias(self, case, value):
        """PyTorch's batch norm gives 105 for 1e7."""
        if not self.norm.centred:
            return  # RMS norm of a constant is 1, or -1
        _, _, weight, bias = inputs(self.norm, case)
        x = np.full(case.arranged, value, np.float32)
        y = forward(self.norm, case, x, weight, bias)[0]
        assert (y == self.norm.reference(case).weights(bias, 0)).all()

    @pytest.mark.parametrize("value", [1e30, np.finfo(np.float32).max])
    def test_finite_gives_finite(self, case, value):
        """PyTorch's layer norm gives NaN at 1e30."""
        sign = np.where(cases.normal(case.arranged, np.float32) > 0, 1, -1)
        x = (sign * value).astype(np.float32)
        assert np.isfinite(forward(self.norm, case, x, None, None)[0]).all()

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_nan_and_inf_stay_in_their_statistic(self, case, value):
        x, dy, weight, bias = inputs(self.norm, case)
        wanted = call(self.norm, case, x, dy, weight, bias)
        stat, slot = self.norm.parts(case)
        hit = int(stat.max()) // 2
        x[np.unravel_index(np.flatnonzero(stat == hit)[-1], x.shape)] = value
        y, _, _, dx, dweight, dbias = call(self.norm, case, x, dy, weight, bias)
        others = stat != hit
        assert np.array_equal(y[others], wanted[0][others])
        assert np.array_equal(dx[others], wanted[3][others])
        assert np.isnan(y[~others]).any()
        untouched = np.setdiff1d(np.arange(dweight.size), slot[~others])
        assert np.array_equal(dweight.ravel()[untouched], wanted[4].ravel()[untouched])
        assert dbias is None or np.array_equal(dbias, wanted[5])


class ChannelSuite(ChannelCallSuite, Suite):
    """The same for norms with channels."""


class RunningSuite(ChannelSuite):
    """The same for norms that keep running statistics."""

    def check_running(self, case, dtype, momentum):
        """Compare running statistics with the reference; they leave y as it is."""
        x, *_ = inputs(self.norm, case, dtype)
        running = cases.running_arrays(case.shape[1], x.dtype)
        wanted = self.norm.reference(case).running(*running, x, momentum)
        more = dict(zip(("running_mean", "running_var"), running), momentum=momentum)
        assert same([self.norm.forward(x, case, **more)], [self.norm.forward(x, case)])
        tolerance = cases.RUNNING[x.dtype]
        for got, value in zip(running, wanted):
            np.testing.assert_allclose(got, value.astype(np.float64), tolerance, 1e-14)

    @pytest.mark.parametrize("dtype", cases.DTYPES)
    @pytest.mark.parametrize("momentum", [0.0, 0.3, 1.0])
    def test_running_statistics(self, case, dtype, momentum):
        self.check_running(case, dtype, momentum)

    @pytest.mark.parametrize("dtype", cases.DTYPES)
    def test_running_statistics_of_large_arrays(self, large, dtype):
        self.check_running(large, dtype, 0.3)

    def test_running_statistics_of_drawn_shapes(self):
        @settings(max_examples=80, deadline=None)
        @given(self.norm.drawn(), st.sampled_from(cases.DTYPES), st.floats(0, 1))
        def run(case, dtype, momentum):
            self.check_running(case, dtype, momentum)

        run()

    @pytest.mark.peers
    @pytest.mark.parametrize("dtype", cases.DTYPES)
    @pytest.mark.parametrize("momentum", [0.0, 0.3, 1.0])
    def test_running_statistics_are_torchs(self, case, dtype, momentum):
        torch = pytest.importorskip("torch")
        x, *_ = inputs(self.norm, case, dtype)
        found = cases.running_arrays(case.shape[1], x.dtype)
        wanted = [torch.from_numpy(a.copy()) for a in found]
        names = "running_mean", "running_var"
        self.norm.forward(x, case, **dict(zip(names, found)), momentum=momentum)
        tensor = to_torch(x, case).detach()
        self.norm.torch(tensor, case, **dict(zip(names, wanted)), momentum=momentum)
        tolerance = cases.TORCH[x.dtype] / 2
        # Means may cancel, variances may not.
        for ours, theirs, least in zip(found, wanted, (tolerance / 10, 0)):
            np.testing.assert_allclose(ours, theirs.numpy(), tolerance, least)
