"""What every call must do, wherever the statistics come from."""

import cases
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from norm_calls import call, check, forward, inputs, largest_dx, largest_terms, same, usual_sum
from norm_row import Case

import numbanorm as nbn


class CallSuite:
    """The tests; `norm` is a row of the table."""

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
            st.integers(0, 5),
        )
        def run(case, dtype, which, seed):
            check(self.norm, case, *inputs(self.norm, case, dtype, which=which, seed=seed))

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
        """Reversed, stepped, transposed, read-only: reading x.ravel's memory would fail."""
        x, dy, weight, bias = inputs(self.norm, case)
        wanted = call(self.norm, case, x, dy, weight, bias)
        back = (slice(None, None, -1),) * x.ndim
        turned = np.moveaxis(np.moveaxis(x, 0, -1).copy(), -1, 0)
        for view in (np.asfortranarray(x), turned, x[back].copy()[back], stepped(x)):
            view.flags.writeable = False
            assert same(call(self.norm, case, view, dy.T.copy().T, weight, bias), wanted)
        x.flags.writeable = False
        assert same(call(self.norm, case, x, dy, weight, bias), wanted)
        repeated = np.broadcast_to(x[:1], x.shape)
        wanted = call(self.norm, case, repeated.copy(), dy, weight, bias)
        assert same(call(self.norm, case, repeated, dy, weight, bias), wanted)

    def test_any_strides_of_the_output(self, case):
        """What lies between its elements stays."""
        x, dy, weight, bias = inputs(self.norm, case)
        y, mean, rstd, dx, *_ = call(self.norm, case, x, dy, weight, bias)
        out = stepped(x)
        assert forward(self.norm, case, x, weight, bias, out=out)[0] is out
        assert np.array_equal(out, y)
        assert self.norm.backward(dy, x, mean, rstd, case, weight, out=out)[0] is out
        assert np.array_equal(out, dx)
        assert np.count_nonzero(out.base) == np.count_nonzero(dx)

    def test_empty(self):
        shape, options = self.norm.shapes[-1]
        case = Case((0, *shape[1:]), self.norm.layouts[0], options)
        x, dy, weight, bias = inputs(self.norm, case)
        results = call(self.norm, case, x, dy, weight, bias)
        assert results[0].shape == results[3].shape == case.shape
        assert results[1].shape == self.norm.stats_shape(case)
        assert (results[4] == 0).all() and results[4].shape == self.norm.weight_shape(case)


def stepped(x):
    """Return a copy of x as every second element, along each axis, of zeros."""
    view = np.zeros([2 * size for size in x.shape], x.dtype)[(slice(None, None, 2),) * x.ndim]
    view[...] = x
    return view


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
