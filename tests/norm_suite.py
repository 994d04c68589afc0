"""What every norm of the table must do; `test_*_norm.py` run it, each for one norm."""

import cases
import numpy as np
import pytest
import reference
from norms import NORMS, Case

import numbanorm as nbn

EPS32, EPS64 = (cases.EPS[np.dtype(kind)] for kind in (np.float32, np.float64))


def inputs(norm, case, dtype=np.float32, mean=0.5, std=2.0, which="both"):
    """Return x, dy, weight and bias (None where `which` or the norm has none)."""
    x = cases.normal(case.arranged, dtype, mean=mean, std=std)
    shape = norm.weight_shape(case)
    weight, bias = cases.affine(int(np.prod(shape)), dtype, which)
    weight = None if weight is None else weight.reshape(shape)
    bias = None if bias is None or norm.name == "rms" else bias.reshape(shape)
    return x, cases.normal(case.arranged, dtype, 9), weight, bias


def call(norm, case, x, dy, weight, bias, eps=1e-5):
    """Return everything: y, mean, rstd, dx, dweight, dbias."""
    y, mean, rstd = forward(norm, case, x, weight, bias, eps)
    return y, mean, rstd, *norm.backward(dy, x, mean, rstd, case, weight)


def forward(norm, case, x, weight, bias, eps=1e-5, **more):
    if norm.name != "rms":
        more["bias"] = bias
    return norm.forward(x, case, weight=weight, eps=eps, return_stats=True, **more)


def per_element(norm, case, values, default):
    """Return the weight of every element of x."""
    shape = case.arranged
    if values is None:
        return np.full(shape, default, np.float64)
    return np.asarray(values, np.float64).ravel()[norm.parts(case)[1]]


def check(norm, case, x, dy, weight, bias, eps=1e-5):
    """Compare everything with float64, or for float64 with longdouble."""
    parts = reference.Parts(*norm.parts(case))
    wanted, x_hat, mean, var = parts.norm(x, weight, bias, eps, norm.centred)
    y, got_mean, rstd = forward(norm, case, x, weight, bias, eps)
    assert y.shape == x.shape and y.dtype == x.dtype
    assert got_mean.shape == rstd.shape == norm.stats_shape(case)
    assert got_mean.dtype == rstd.dtype == np.float64
    w, b = per_element(norm, case, weight, 1), per_element(norm, case, bias, 0)
    bound = 4 * cases.EPS[x.dtype] * (np.abs(w) * (np.abs(x_hat) + 1 / 64) + np.abs(b))
    bound += np.finfo(x.dtype).smallest_subnormal / 2
    if x.dtype == np.float64:
        # No promise for float64, whose sums have no wider type: the mean's rounding shows in units
        # of the deviation, also where x_hat is 0.
        ratio = float((np.abs(mean) / np.sqrt(var + eps)).max())
        bound = (bound + 4 * cases.EPS[x.dtype] * np.abs(w)) * (16 + 16 * ratio)
    error = np.abs(y - wanted)
    assert (error <= bound).all(), float((error / bound).max())
    tolerance = cases.STATISTICS[x.dtype]
    scale = np.abs(mean) + np.sqrt(var)
    assert (np.abs(got_mean.ravel() - mean) <= tolerance * scale).all()
    assert np.allclose(rstd.ravel(), (1 / np.sqrt(var + eps)).astype(np.float64), rtol=tolerance)

    found = norm.backward(dy, x, got_mean, rstd, case, weight)
    wanted = parts.backward(dy, x, weight, eps, norm.centred)
    tolerance = cases.GRADIENT[x.dtype]
    terms = float(np.abs(rstd).max() * np.abs(dy).max() * np.abs(w).max())
    allowed = tolerance * np.abs(wanted[0]).max() + 4 * EPS64 * terms
    if x.dtype == np.float64:
        allowed = tolerance * largest_dx(wanted[0], dy, weight, rstd)
    assert found[0].shape == x.shape and found[0].dtype == x.dtype
    assert np.abs(found[0] - wanted[0]).max() <= allowed
    usual = np.abs(dy).mean() * np.sqrt(dy.size / w.size * max(1, w.size // wanted[1].size))
    for a, b in zip(found[1:], wanted[1:], strict=True):
        if a is not None:
            assert a.shape == norm.weight_shape(case) and a.dtype == x.dtype
            error = np.abs(a.ravel() - b).max()
            assert error <= tolerance * max(np.abs(b).max(), usual)


def largest_dx(wanted, dy, weight, rstd):
    """Return the largest element of dx, to which errors are relative.

    Of statistics of few values dx is what is left when terms of the size of rstd*w*dy cancel, in
    arithmetic no wider than itself: below 8 values a 16th of those stands in.
    """
    largest = float(np.abs(wanted).max())
    if wanted.size // rstd.size < 8:
        slope = float(np.abs(rstd).max()) * (1 if weight is None else float(np.abs(weight).max()))
        largest = max(largest, slope * float(np.abs(dy).max()) / 16)
    return largest


def same(results, others):
    return all(
        (a is None and b is None) or a.tobytes() == b.tobytes()
        for a, b in zip(results, others, strict=True)
    )


class Suite:
    """The tests; `norm` is the name of a row of the table."""

    norm = ""

    @pytest.fixture(autouse=True)
    def row(self):
        self.table = NORMS[self.norm]
        before = nbn.get_num_threads()
        yield
        nbn.set_num_threads(before)

    def test_float32(self, case):
        check(self.table, case, *inputs(self.table, case))

    def test_float64(self, case):
        check(self.table, case, *inputs(self.table, case, np.float64))

    def test_large(self, large):
        """Over 4 MiB: several threads and the streaming stores."""
        check(self.table, large, *inputs(self.table, large))

    @pytest.mark.parametrize("which", ["weight", "bias", "neither"])
    def test_parameters_may_be_missing(self, case, which):
        check(self.table, case, *inputs(self.table, case, which=which))

    @pytest.mark.peers
    @pytest.mark.parametrize("dtype", cases.DTYPES)
    @pytest.mark.parametrize("which", ["both", "weight", "bias", "neither"])
    def test_agrees_with_pytorch(self, case, dtype, which):
        torch = pytest.importorskip("torch")
        x, dy, weight, bias = inputs(self.table, case, dtype, which=which)

        def to_torch(a):
            if a is None:
                return None
            a = np.moveaxis(a, -1, 1) if case.layout == "NHWC" and a.ndim > 1 else a
            return torch.from_numpy(a.copy()).requires_grad_()

        tx, tw, tb = to_torch(x), to_torch(weight), to_torch(bias)
        # torch's group norm has no gradient without a weight.
        one = torch.ones_like(tb) if tb is not None and tw is None else tw
        ty = self.table.torch(tx, case, one, tb, 1e-3)
        ty.backward(to_torch(dy).detach())
        y, _, rstd, dx, dweight, dbias = call(self.table, case, x, dy, weight, bias, 1e-3)
        pairs = [(y, ty, 1.0), (dx, tx.grad, largest_dx(dx, dy, weight, rstd))]
        # torch's rounding is all there is of a weight's gradient that cancels.
        pairs += [] if tw is None else [(dweight, tw.grad, np.abs(dy).max())]
        pairs += [] if tb is None else [(dbias, tb.grad, np.abs(dy).max())]
        for ours, theirs, least in pairs:
            wanted = theirs.detach().numpy()
            if case.layout == "NHWC" and wanted.ndim > 1:
                wanted = np.moveaxis(wanted, 1, -1)
            error = np.abs(ours - wanted).max() / max(np.abs(wanted).max(), least)
            assert error <= cases.TORCH[np.dtype(dtype)]

    @pytest.mark.parametrize("ratio", [1e2, 1e4, 1e6])
    def test_accuracy_at_any_mean(self, case, ratio):
        """`E[x^2] - E[x]^2` in float32 fails from 1e2 on, as does `x*a + b`."""
        x, dy, weight, bias = inputs(self.table, case, mean=ratio, std=1.0)
        check(self.table, case, x, dy, weight, bias)

    @pytest.mark.parametrize("magnitude", [1e-40, 1e-30, 1e-10, 1e10, 1e19, 1e30, 1e38])
    @pytest.mark.parametrize("eps", [0.0, 1e-5])
    def test_accuracy_at_any_magnitude(self, case, magnitude, eps):
        """float32 squares overflow from 2e19 on; 1/std overflows below 3e-39."""
        x = cases.normal(case.arranged, np.float64, mean=0.5, std=1.0)
        x = (x / np.abs(x).max() * 3 * magnitude).astype(np.float32)
        _, _, weight, bias = inputs(self.table, case)
        parts = reference.Parts(*self.table.parts(case))
        with np.errstate(all="ignore"):
            wanted, x_hat, _, var = parts.norm(x, weight, bias, eps, self.table.centred)
        if (var + eps == 0).any():
            return  # a row of one value has no deviation to divide by
        y = forward(self.table, case, x, weight, bias, eps)[0]
        w = per_element(self.table, case, weight, 1)
        b = per_element(self.table, case, bias, 0)
        bound = 4 * EPS32 * (np.abs(w) * (np.abs(x_hat) + 1 / 64) + np.abs(b)) + 1e-45
        assert (np.abs(y - wanted) <= bound).all()

    @pytest.mark.parametrize("value", [0.0, 100.1, 1e7, -3e38, 1e-40])
    def test_constant_gives_exactly_bias(self, case, value):
        """PyTorch's batch norm gives 105 for 1e7."""
        if not self.table.centred:
            return  # RMS norm of a constant is 1, or -1
        _, _, weight, bias = inputs(self.table, case)
        x = np.full(case.arranged, value, np.float32)
        y = forward(self.table, case, x, weight, bias)[0]
        assert (y == per_element(self.table, case, bias, 0)).all()

    @pytest.mark.parametrize("value", [1e30, np.finfo(np.float32).max])
    def test_finite_gives_finite(self, case, value):
        """PyTorch's layer norm gives NaN at 1e30."""
        sign = np.where(cases.normal(case.arranged, np.float32) > 0, 1, -1)
        x = (sign * value).astype(np.float32)
        assert np.isfinite(forward(self.table, case, x, None, None)[0]).all()

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_nan_and_inf_stay_in_their_statistic(self, case, value):
        x, dy, weight, bias = inputs(self.table, case)
        wanted = call(self.table, case, x, dy, weight, bias)
        stat, slot = self.table.parts(case)
        hit = int(stat.max()) // 2
        x[np.unravel_index(np.flatnonzero(stat == hit)[-1], x.shape)] = value
        y, _, _, dx, dweight, dbias = call(self.table, case, x, dy, weight, bias)
        others = stat != hit
        assert np.array_equal(y[others], wanted[0][others])
        assert np.array_equal(dx[others], wanted[3][others])
        assert np.isnan(y[~others]).any()
        untouched = np.setdiff1d(np.arange(dweight.size), slot[~others])
        assert np.array_equal(dweight.ravel()[untouched], wanted[4].ravel()[untouched])
        assert dbias is None or np.array_equal(dbias, wanted[5])

    def test_bits_do_not_depend_on_threads(self, large):
        arguments = inputs(self.table, large)
        nbn.set_num_threads(1)
        wanted = call(self.table, large, *arguments)
        for threads in (2, 3, 8):
            nbn.set_num_threads(threads)
            assert same(call(self.table, large, *arguments), wanted), threads

    @pytest.mark.parametrize(("x_offset", "y_offset"), [(0, 4), (1, 1), (3, 8), (15, 2)])
    def test_alignment_does_not_matter(self, any_size, x_offset, y_offset):
        case = any_size
        x, dy, weight, bias = inputs(self.table, case)
        wanted = call(self.table, case, x, dy, weight, bias)
        buffer = np.full(x.size + 64, 7, np.float32)
        out = buffer[16 + y_offset : 16 + y_offset + x.size].reshape(x.shape)
        x, dy = cases.misaligned(x, x_offset), cases.misaligned(dy, y_offset)
        y, mean, rstd = forward(self.table, case, x, weight, bias, out=out)
        assert y is out and np.array_equal(y, wanted[0])
        dx, *_ = self.table.backward(dy, x, mean, rstd, case, weight, out=out)
        assert dx is out and np.array_equal(dx, wanted[3])
        assert (buffer[: 16 + y_offset] == 7).all()
        assert (buffer[16 + y_offset + x.size :] == 7).all()

    def test_in_place(self, any_size):
        case = any_size
        x, dy, weight, bias = inputs(self.table, case)
        y, mean, rstd, dx, dweight, _ = call(self.table, case, x, dy, weight, bias)
        for where in (dy.copy(), x.copy()):
            given = (where, x) if where[..., :1].tobytes() == dy[..., :1].tobytes() else (dy, where)
            found = self.table.backward(*given, mean, rstd, case, weight, out=where)
            assert found[0] is where and np.array_equal(where, dx)
            assert np.array_equal(found[1], dweight)
        assert forward(self.table, case, x, weight, bias, out=x)[0] is x
        assert np.array_equal(x, y)

    def test_any_strides(self, case):
        x, dy, weight, bias = inputs(self.table, case)
        wanted = call(self.table, case, x, dy, weight, bias)
        kept = x.copy()
        strange = [np.asfortranarray(x), np.repeat(x, 2, axis=-1)[..., ::2], x[::-1].copy()[::-1]]
        for view in strange:
            assert same(call(self.table, case, view, dy.T.copy().T, weight, bias), wanted)
        x.flags.writeable = False
        assert same(call(self.table, case, x, dy, weight, bias), wanted)
        assert np.array_equal(x, kept)

    def test_empty(self):
        shape, options = self.table.shapes[-1]
        case = Case((0, *shape[1:]), self.table.layouts[0], options)
        x, dy, weight, bias = inputs(self.table, case)
        results = call(self.table, case, x, dy, weight, bias)
        assert results[0].shape == results[3].shape == case.shape
        assert results[1].shape == self.table.stats_shape(case)
        assert (results[4] == 0).all() and results[4].shape == self.table.weight_shape(case)


class ChannelSuite(Suite):
    """The same for norms with channels."""

    @pytest.mark.parametrize("index", range(3))
    def test_channels_last_view_keeps_its_strides(self, index):
        # An axis of one element may have any stride.
        shape, options = [s for s in self.table.shapes if len(s[0]) > 2 and min(s[0]) > 1][index]
        case, last = Case(shape, "NCHW", options), Case(shape, "NHWC", options)
        x, dy, weight, bias = inputs(self.table, last)
        wanted = call(self.table, last, x, dy, weight, bias)
        view, dy_view = np.moveaxis(x, -1, 1), np.moveaxis(dy, -1, 1)
        found = call(self.table, case, view, dy_view, weight, bias)
        assert found[0].strides == view.strides and found[3].strides == view.strides
        back = [np.moveaxis(f, 1, -1) if f.ndim == view.ndim else f for f in found]
        assert same(back, wanted)
