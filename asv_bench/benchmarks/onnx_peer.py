"""ONNX Runtime's operators as Python callables, with inputs and output bound to NumPy's memory."""

import warnings

import numbanorm as nbn


def call(op, inputs, y, **attributes):
    """Return a callable that computes y, or None without ONNX Runtime or the operator."""
    try:
        import onnxruntime
        from onnx import TensorProto, helper
    except ImportError:
        return None
    names = [f"i{k}" for k in range(len(inputs))]
    kind = TensorProto.FLOAT
    values = [helper.make_tensor_value_info(n, kind, a.shape) for n, a in zip(names, inputs)]
    result = helper.make_tensor_value_info("y", kind, y.shape)
    node = helper.make_node(op, names, ["y"], **attributes)
    graph = helper.make_graph([node], "norm", values, [result])
    opset = helper.make_opsetid("", 23 if op == "RMSNormalization" else 21)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = nbn.get_num_threads()
    # Its threads spin for long after a call, on the cores that the next candidate needs.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    except Exception as error:  # each of its errors is a class of its own
        print(f"no {op} in ONNX Runtime: {str(error).splitlines()[0]}")
        return None
    binding = session.io_binding()
    for name, a in zip(names, inputs):
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(a))
    binding.bind_output("y", "cpu", 0, y.dtype, y.shape, y.ctypes.data)
    return lambda: session.run_with_iobinding(binding)
