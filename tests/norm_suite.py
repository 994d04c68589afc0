"""What every norm of the table must do; `test_*_norm.py` run it, each for one norm."""

import cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from norm_calls import call, check, forward, inputs, largest_dx, largest_terms, same, usual_sum
from norms import Case

import numbanorm as nbn


class CallSuite:
    """What holds wherever the statistics come from; `norm` is a row of the table."""

    norm = None

    @pytest.fixture(autouse=True)
    def restored_threads(self):
        before = nbn.get_num_threads()
        yield
        nbn.set_num_threads(before)

    @pytest.mark.parametrize("dtype", cases.DTYPES)
    def test_every_shape(self, case, dtype):
        check(self.norm, case, *inputs(self.norm, case, dtype))

    @pytest.mark.parametrize("dtype", cases.DTYPES)
    def test_large(self, large, dtype):
        """Over 4 MiB: several threads and the streaming stores."""
        check(self.norm, large, *inputs(self.norm, large, dtype))

    def test_drawn_shapes(self):
        @settings(max_examples=80, deadline=None)
        @given(
            self.norm.drawn(),
            st.sampled_from(cases.DTYPES),
            st.sampled_from(["both", "weight", "bias", "neither"]),
        )
        def run(case, dtype, which):
            check(self.norm, case, *inputs(self.norm, case, dtype, which=which))

        run()

    @pytest.mark.parametrize("which", ["weight", "bias", "neither"])
    def test_parameters_may_be_missing(self, case, which):
        check(self.norm, case, *inputs(self.norm, case, which=which))

    @pytest.mark.peers
    @pytest.mark.parametrize("dtype", cases.DTYPES)
    @pytest.mark.parametrize("which", ["both", "weight", "bias", "neither"])
    def test_agrees_with_pytorch(self, case, dtype, which):
        torch = pytest.importorskip("torch")
        x, dy, weight, bias = inputs(self.norm, case, dtype, which=which)
        tx, tw, tb = (None if a is None else to_torch(a, case) for a in (x, weight, bias))
        # torch's group norm has no gradient without a weight.
        one = torch.ones_like(tb) if tb is not None and tw is None else tw
        ty = self.norm.torch(tx, case, one, tb, 1e-3)
        ty.backward(to_torch(dy, case).detach())
        y, _, rstd, dx, dweight, dbias = call(self.norm, case, x, dy, weight, bias, 1e-3)
        truth = self.norm.reference(case)
        terms = largest_terms(truth, dy, weight, rstd)
        pairs = [(y, ty, 1.0), (dx, tx.grad, largest_dx(dx, terms, rstd))]
        # torch's rounding is all there is of a weight's gradient that cancels.
        least = max(np.abs(dy).max(), usual_sum(truth, dy) / 3)
        pairs += [] if tw is None else [(dweight, tw.grad, least)]
        pairs += [] if tb is None else [(dbias, tb.grad, least)]
        for ours, theirs, least in pairs:
            wanted = theirs.detach().numpy()
            if case.layout == "NHWC" and wanted.ndim > 1:
                wanted = np.moveaxis(wanted, 1, -1)
            error = np.abs(ours - wanted).max() / max(np.abs(wanted).max(), least)
            assert error <= cases.TORCH[np.dtype(dtype)]

    def test_bits_do_not_depend_on_threads(self, large):
        arguments = inputs(self.norm, large)
        nbn.set_num_threads(1)
        wanted = call(self.norm, large, *arguments)
        for threads in (2, 3, 8):
            nbn.set_num_threads(threads)
            assert same(call(self.norm, large, *arguments), wanted), threads

    @pytest.mark.parametrize(("x_offset", "y_offset"), [(0, 4), (1, 1), (3, 8), (15, 2)])
    def test_alignment_does_not_matter(self, any_size, x_offset, y_offset):
        """Streaming stores want 64 bytes: y starts between two such boundaries, and x elsewhere."""
        case = any_size
        x, dy, weight, bias = inputs(self.norm, case)
        wanted = call(self.norm, case, x, dy, weight, bias)
        buffer = np.full(x.size + 64, 7, np.float32)
        out = buffer[16 + y_offset : 16 + y_offset + x.size].reshape(x.shape)
        x, dy = cases.misaligned(x, x_offset), cases.misaligned(dy, y_offset)
        y, mean, rstd = forward(self.norm, case, x, weight, bias, out=out)
        assert y is out and np.array_equal(y, wanted[0])
        dx, *_ = self.norm.backward(dy, x, mean, rstd, case, weight, out=out)
        assert dx is out and np.array_equal(dx, wanted[3])
        assert (buffer[: 16 + y_offset] == 7).all()
        assert (buffer[16 + y_offset + x.size :] == 7).all()

    def test_in_place(self, any_size):
        """Kernels that write y before they have read all they need of x would fail here."""
        case = any_size
        x, dy, weight, bias = inputs(self.norm, case)
        y, mean, rstd, *gradients = call(self.norm, case, x, dy, weight, bias)
        over = dy.copy(), x.copy()
        for where, arrays in zip(over, [(over[0], x), (dy, over[1])]):
            found = self.norm.backward(*arrays, mean, rstd, case, weight, out=where)
            assert found[0] is where and same(found, gradients)
        assert forward(self.norm, case, x, weight, bias, out=x)[0] is x
        assert np.array_equal(x, y)

    def test_any_strides(self, case):
        """Reversed, stepped, transposed and broadcast: reading x.ravel's memory would fail."""
        x, dy, weight, bias = inputs(self.norm, case)
        kept, wanted = x.copy(), call(self.norm, case, x, dy, weight, bias)
        every, back = (slice(None, None, 2),) * x.ndim, (slice(None, None, -1),) * x.ndim
        wide = np.zeros([2 * size for size in x.shape], x.dtype)
        wide[every] = x
        for view in (np.asfortranarray(x), x[back].copy()[back], wide[every]):
            assert same(call(self.norm, case, view, dy.T.copy().T, weight, bias), wanted)
        y, mean, rstd = forward(self.norm, case, x, weight, bias, out=wide[every])
        assert np.array_equal(y, wanted[0]) and np.shares_memory(y, wide)
        dx, *_ = self.norm.backward(dy, x, mean, rstd, case, weight, out=wide[every])
        assert np.array_equal(dx, wanted[3]) and np.count_nonzero(wide) <= x.size
        x.flags.writeable = False
        assert same(call(self.norm, case, x, dy, weight, bias), wanted)
        assert np.array_equal(x, kept)
        repeated = np.broadcast_to(x[:1], x.shape)
        wanted = call(self.norm, case, repeated.copy(), dy, weight, bias)
        assert same(call(self.norm, case, repeated, dy, weight, bias), wanted)

    def test_empty(self):
        shape, options = self.norm.shapes[-1]
        case = Case((0, *shape[1:]), self.norm.layouts[0], options)
        x, dy, weight, bias = inputs(self.norm, case)
        results = call(self.norm, case, x, dy, weight, bias)
        assert results[0].shape == results[3].shape == case.shape
        assert results[1].shape == self.norm.stats_shape(case)
        assert (results[4] == 0).all() and results[4].shape == self.norm.weight_shape(case)


def to_torch(a, case):
    """Return a copy of x, or of a parameter, as a tensor with channels first that has gradients."""
    import torch

    a = np.moveaxis(a, -1, 1) if case.layout == "NHWC" and a.ndim > 1 else a
    return torch.from_numpy(a.copy()).requires_grad_()


class ChannelCallSuite(CallSuite):
    """The same for norms with channels."""

    @pytest.mark.parametrize("rank", [3, 4, 5])
    def test_channels_last_view_keeps_its_strides(self, rank):
        # An axis of one element may have any stride.
        shapes = (s for s in self.norm.shapes if len(s[0]) == rank and min(s[0]) > 1)
        shape, options = next(shapes)
        case, last = Case(shape, "NCHW", options), Case(shape, "NHWC", options)
        x, dy, weight, bias = inputs(self.norm, last)
        wanted = call(self.norm, last, x, dy, weight, bias)
        view, dy_view = np.moveaxis(x, -1, 1), np.moveaxis(dy, -1, 1)
        found = call(self.norm, case, view, dy_view, weight, bias)
        assert found[0].strides == view.strides and found[3].strides == view.strides
        back = [np.moveaxis(f, 1, -1) if f.ndim == view.ndim else f for f in found]
        assert same(back, wanted)


class Suite(CallSuite):
    """What holds of norms that take their statistics from x."""

    @pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6])
    def test_accuracy_at_any_mean(self, case, ratio):
        """`E[x^2] - E[x]^2` in float32 fails from 1e2 on, as does `x*a + b`."""
        x, dy, weight, bias = inputs(self.norm, case, mean=ratio, std=1.0)
        check(self.norm, case, x, dy, weight, bias)

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
            np.testing.assert_allclose(got, value.astype(np.float64), tolerance, tolerance / 10)

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
        for ours, theirs in zip(found, wanted):
            assert cases.relative_error(ours, theirs.numpy()) <= cases.TORCH[x.dtype]
