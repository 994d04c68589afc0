"""The node cases of ONNX, which its `onnx` package computes when it is imported."""

import warnings

import numpy as np
import pytest

import numbanorm as nbn

onnx = pytest.importorskip("onnx")


def batch(x, scale, bias, mean, var, epsilon=1e-5, momentum=0.9, training_mode=0):
    """Return y and, in training, ONNX's running arrays: momentum weighs the old, var is biased."""
    if not training_mode:
        return [nbn.batch_norm(x, mean, var, scale, bias, eps=epsilon)]
    y = nbn.batch_norm(x, None, None, scale, bias, True, eps=epsilon)
    found = nbn.channel_mean_var(x)
    return [y, *(momentum * o + (1 - momentum) * n for o, n in zip((mean, var), found))]


def rows(function, x, *parameters, axis=-1, epsilon=1e-5, stash_type=1):
    found = function(x, x.shape[axis:], *parameters, eps=epsilon, return_stats=True)
    return list(found) if len(found) == 3 else [found[0]]


RUN = {
    "BatchNormalization": batch,
    "InstanceNormalization": lambda x, scale, bias, epsilon=1e-5: [
        nbn.instance_norm(x, None, None, scale, bias, eps=epsilon)
    ],
    "GroupNormalization": lambda x, scale, bias, num_groups, epsilon=1e-5: [
        nbn.group_norm(x, num_groups, scale, bias, epsilon)
    ],
    "LayerNormalization": lambda *a, **k: rows(nbn.layer_norm, *a, **k),
    "RMSNormalization": lambda *a, **k: rows(nbn.rms_norm, *a, **k),
}


def node_cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        found = collect_testcases(None)
    nodes = [(case, case.model.graph.node) for case in found if case.model is not None]
    return [(c, n[0]) for c, n in nodes if len(n) == 1 and n[0].op_type in RUN]


@pytest.mark.parametrize(("case", "node"), [pytest.param(*c, id=c[0].name) for c in node_cases()])
def test_node(case, node):
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    for inputs, outputs in case.data_sets:
        found = RUN[node.op_type](*inputs, **attributes)
        assert len(found) == len(outputs)
        # Statistics, which ONNX has in x's type, are float64.
        assert found[0].dtype == outputs[0].dtype
        for ours, theirs in zip(found, outputs):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=case.rtol, atol=max(case.atol, 1e-6))


def test_all_kinds_are_there():
    assert {node.op_type for _, node in node_cases()} == set(RUN)
