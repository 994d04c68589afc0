"""What layers keep between calls, in copies and in checkpoints."""

import copy
import gc
import io
import pickle
import threading
import weakref

import joblib
import numpy as np
import pytest
from cases import FLOATS
from processes import run

import numbanorm as nbn

LAYERS = {
    "batch": lambda **more: nbn.BatchNorm1d(5, **more),
    "instance": lambda **more: nbn.InstanceNorm1d(5, affine=True, **more),
    "group": lambda **more: nbn.GroupNorm(5, 5, **more),
    "layer": lambda **more: nbn.LayerNorm(8, **more),
    "rms": lambda **more: nbn.RMSNorm(8, **more),
}
SHAPE = (6, 5, 8)


def draw(seed, shape=SHAPE):
    return np.random.default_rng(seed).normal(1, 2, shape).astype(np.float32)


def gradients(layer, x, dy):
    """Return the gradients of a layer like this one that is called once."""
    fresh = copy.deepcopy(layer).train()
    fresh(x)
    return {"x": fresh.backward(dy)} | fresh.gradients()


@pytest.fixture(params=LAYERS)
def layer(request):
    return LAYERS[request.param]()


class TestBackward:
    def test_a_second_one_is_an_error(self, layer):
        layer(draw(1))
        layer(draw(2))
        wanted = gradients(layer, draw(2), draw(3))
        np.testing.assert_array_equal(layer.backward(draw(3)), wanted["x"])
        with pytest.raises(RuntimeError, match=r"backward must follow a call that saved its input"):
            layer.backward(draw(3))
        for name, value in layer.gradients().items():
            np.testing.assert_array_equal(value, wanted[name])

    def test_inference_in_between_changes_nothing(self, layer):
        wanted = gradients(layer, draw(1), draw(3))
        layer(draw(1))
        layer.eval()(draw(2))
        np.testing.assert_array_equal(layer.train().backward(draw(3)), wanted["x"])
        for name, value in layer.gradients().items():
            np.testing.assert_array_equal(value, wanted[name])

    @pytest.mark.parametrize("saves", [None, False, True])
    @pytest.mark.parametrize("training", [False, True])
    def test_what_is_saved(self, layer, saves, training):
        layer.save_for_backward = saves
        layer.train(training)(draw(1))
        if training if saves is None else saves:
            assert layer.backward(draw(2)).shape == SHAPE
        else:
            with pytest.raises(RuntimeError, match="save_for_backward = True"):
                layer.backward(draw(2))

    def test_a_wrong_dy_loses_nothing(self, layer):
        layer(draw(1))
        with pytest.raises(ValueError, match="dy must have x's shape"):
            layer.backward(draw(2)[:1])
        np.testing.assert_array_equal(
            layer.backward(draw(2)), gradients(layer, draw(1), draw(2))["x"]
        )


def kept(layer, call):
    """Return whether the x of a call is still there after it."""
    x = draw(1)
    ref = weakref.ref(x)
    call(x)
    del x
    gc.collect()
    return ref() is not None


class TestMemory:
    def test_inference_keeps_nothing(self, layer):
        layer.eval()
        assert not kept(layer, layer)

    def test_training_keeps_x_until_backward(self, layer):
        assert kept(layer, layer)
        assert not kept(layer, lambda x: (layer(x), layer.backward(draw(2))))

    def test_of_twenty_layers(self):
        """Each kept its input of 17 MB."""
        program = """
import resource
import numpy as np
import numbanorm as nbn

def inference():
    x = np.ones((4096, 1024), np.float32)
    for layer in layers:
        x = layer(x)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

layers = [nbn.LayerNorm(1024).eval() for _ in range(20)]
layers[0](np.ones((4096, 1024), np.float32))
before = peak()
inference()
print(peak() - before)
"""
        # Two arrays at a time are there, and what the system keeps of freed ones.
        more = int(run(program))
        assert more < 100, f"{more} MB"


class TestCopies:
    def test_hold_no_data(self, layer):
        x = np.full((64, 5, 8), 1234567, np.float32)
        layer(x)
        layer.backward(x)
        layer(x)
        stream = io.BytesIO()
        joblib.dump(layer, stream)
        for dumped in (pickle.dumps(layer), stream.getvalue()):
            assert len(dumped) < 4000
        for twin in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert twin.gradients() == {}
            with pytest.raises(RuntimeError, match="must follow a call"):
                twin.backward(x)
            assert repr(twin) == repr(layer)
            np.testing.assert_array_equal(twin.eval()(x), copy.deepcopy(layer).eval()(x))
        assert layer.backward(x).shape == x.shape

    def test_of_version_0_1_load(self, layer):
        """They have no `save_for_backward`, but a call's data."""
        layer(draw(1))
        state = vars(copy.deepcopy(layer)) | {"_saved": (draw(1), None), "_gradients": {"a": 1}}
        old = type(layer).__new__(type(layer))
        old.__setstate__(state)
        assert old.save_for_backward is None and old.gradients() == {}
        with pytest.raises(RuntimeError):
            old.backward(draw(1))
        np.testing.assert_array_equal(old(draw(1)), layer(draw(1)))

    def test_a_subclass_keeps_its_own(self):
        layer = nbn.LayerNorm(3)
        layer.note = "mine"
        assert copy.deepcopy(layer).note == "mine"

    def test_astype(self, layer):
        layer(draw(1))
        layer.eval().weight[...] = 1 / 3
        wide = layer.astype(np.float64)
        assert type(wide) is type(layer) and wide.training is False and wide.dtype == np.float64
        for name, value in layer.state_dict().items():
            found = wide.state_dict()[name]
            assert found.dtype == (np.int64 if "tracked" in name else np.float64)
            np.testing.assert_array_equal(found, value)
        assert wide(draw(1).astype(float)).dtype == np.float64
        assert layer.dtype == layer.weight.dtype == np.float32
        np.testing.assert_array_equal(wide.astype("f4").weight, layer.weight)
        with pytest.raises(TypeError, match=f"dtype must be {FLOATS}, got int32"):
            layer.astype(np.int32)


class TestCheckpoints:
    def model(self):
        layers = {"a.0.": nbn.BatchNorm1d(3), "a.10.": nbn.LayerNorm(4)}
        for seed, layer in enumerate(layers.values()):
            for value in layer.state_dict().values():
                value[...] = 1 + seed
        return layers

    def test_of_a_model(self):
        state = {}
        for prefix, layer in self.model().items():
            state |= layer.state_dict(prefix)
        assert "a.0.running_var" in state and "a.10.bias" in state
        for prefix, layer in self.model().items():
            for value in layer.state_dict().values():
                value[...] = 9
            found = layer.load_state_dict(state, prefix=prefix)
            assert found.missing_keys == found.unexpected_keys == []
            assert all((state[prefix + k] == v).all() for k, v in layer.state_dict().items())

    def test_a_copy_stays(self):
        layer = nbn.BatchNorm1d(3)
        kept, own = layer.state_dict(copy=True), layer.state_dict()
        layer(draw(1, (6, 3)))
        assert own["num_batches_tracked"] == 1 and kept["num_batches_tracked"] == 0
        assert not np.shares_memory(kept["running_mean"], layer.running_mean)

    def test_all_keys_that_differ_are_named_at_once(self):
        layer, before = nbn.BatchNorm1d(3), nbn.BatchNorm1d(3).state_dict()
        state = {"b.weight": np.full(3, 2.0), "b.more": 1, "b.else": 2, "c.weight": 3}
        message = (
            r"got missing \['b.bias', 'b.running_mean', 'b.running_var'\] "
            r"and unexpected \['b.more', 'b.else'\]"
        )
        with pytest.raises(ValueError, match=message):
            layer.load_state_dict(state, prefix="b.")
        for name, value in layer.state_dict().items():
            np.testing.assert_array_equal(value, before[name])
        found = layer.load_state_dict(state, strict=False, prefix="b.")
        assert found.missing_keys == ["b.bias", "b.running_mean", "b.running_var"]
        assert found.unexpected_keys == ["b.more", "b.else"]
        assert (layer.weight == 2).all() and (layer.bias == 0).all()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"running_var": [1, -2, 3]}, "p.running_var must not be negative, got -2"),
            ({"num_batches_tracked": -1}, "p.num_batches_tracked must not be negative, got -1"),
            ({"weight": np.ones(4)}, r"p.weight must have shape \(3,\), got \(4,\)"),
        ],
    )
    @pytest.mark.parametrize("strict", [True, False])
    def test_wrong_values_load_nothing(self, change, message, strict):
        layer = nbn.BatchNorm1d(3)
        state = layer.state_dict(prefix="p.", copy=True) | {"p.bias": np.ones(3)}
        state |= {f"p.{name}": value for name, value in change.items()}
        with pytest.raises(ValueError, match=message):
            layer.load_state_dict(state, strict, "p.")
        assert not layer.bias.any()

    def test_a_read_only_target(self):
        layer = nbn.BatchNorm1d(3)
        state = {k: v + 1 for k, v in layer.state_dict().items()}
        layer.running_var.flags.writeable = False
        with pytest.raises(ValueError, match=r"running_var must be writeable to be loaded into"):
            layer.load_state_dict(state)
        assert (layer.weight == 1).all()

    def test_sixteen_bits_are_widened(self):
        ml_dtypes = pytest.importorskip("ml_dtypes")
        for kind in (np.float16, ml_dtypes.bfloat16):
            layer = nbn.LayerNorm(3)
            layer.load_state_dict({"weight": np.array([1, 2.5, -3], kind), "bias": [0, 1, 2]})
            assert layer.weight.dtype == np.float32 and layer.weight.tolist() == [1, 2.5, -3]

    @pytest.mark.peers
    def test_of_torch_in_any_dtype(self):
        torch = pytest.importorskip("torch")
        theirs = torch.nn.BatchNorm1d(3)
        for kind in (torch.bfloat16, torch.float16, torch.float64):
            layer = nbn.BatchNorm1d(3)
            theirs.to(kind).weight.data[...] = 1.5
            layer.load_state_dict(theirs.state_dict())
            assert layer.weight.dtype == np.float32 and (layer.weight == 1.5).all()
            layer.load_state_dict(dict(theirs.named_parameters()) | dict(theirs.named_buffers()))


def test_the_average_of_all_batches_from_several_threads():
    """A factor that was found before another thread's batch counted was off by 0.07 of 3.5."""
    layer = nbn.BatchNorm1d(1, momentum=None)
    batches = [np.full((2, 1), value, np.float32) for value in range(8)]

    def train(x):
        for _ in range(200):
            layer(x)

    threads = [threading.Thread(target=train, args=(x,)) for x in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert layer.num_batches_tracked == 1600
    np.testing.assert_allclose(layer.running_mean, 3.5, rtol=1e-4)
