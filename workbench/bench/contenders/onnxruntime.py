"""ONNX Runtime on the CPU: the operation as a small graph, fed from NumPy's own memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs, OnnxGraph, Op

from .entry import Entry, on_memory

# Old enough for ONNX Runtime 1.20 and onnx 1.17, new enough to have LayerNormalization (17) and Gelu (20) as operators.
OPSET = 21
IR_VERSION = 10


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; with ``out`` the session reads and writes NumPy's buffers, without it makes new arrays."""
    import onnxruntime

    graph: OnnxGraph = op.peers["onnx"](**inputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # warnings about a graph of one node help nobody
    session = onnxruntime.InferenceSession(model(graph).SerializeToString(), options, ["CPUExecutionProvider"])
    # What is fed as it came can be fed anew; what the graph was built from, or fed in another form, stays as it is.
    sources = {
        name: source
        for name, value in graph.inputs.items()
        for source, given in inputs.items()
        if _is_the_same(value, given)
    }
    return on_memory(partial(_entry, session, graph, sources), inputs, out)


def _entry(session: Any, graph: OnnxGraph, sources: Mapping[str, str], inputs: Inputs, out: Any) -> Entry:
    fixed = frozenset(inputs) - set(sources.values())
    fed = {
        name: np.ascontiguousarray(inputs[sources[name]].reshape(value.shape) if name in sources else value)
        for name, value in graph.inputs.items()
    }
    if out is None:
        return Entry(partial(session.run, list(graph.outputs), fed), inputs, result=_result, fixed=fixed)
    binding = session.io_binding()
    for name, value in fed.items():
        binding.bind_input(name, "cpu", 0, value.dtype, value.shape, value.ctypes.data)
    for name, buffer in zip(graph.outputs, out if isinstance(out, tuple) else (out,), strict=True):
        binding.bind_output(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)

    def result(_: Any, keep: Any = fed) -> Any:  # the binding holds addresses only: this keeps their arrays alive
        return out

    return Entry(partial(session.run_with_iobinding, binding), inputs, out, result, fixed=fixed)


def _is_the_same(fed: Any, given: Any) -> bool:
    """Tell whether a graph is fed an input as it is, or as a view of another shape."""
    if not (isinstance(fed, np.ndarray) and isinstance(given, np.ndarray)):
        return False
    plain = fed.flags.c_contiguous and given.flags.c_contiguous and fed.dtype == given.dtype
    return fed is given or (plain and (fed.ctypes.data, fed.size) == (given.ctypes.data, given.size))


def model(graph: OnnxGraph) -> Any:
    """Return the graph as an ``onnx.ModelProto``."""
    from onnx import helper, numpy_helper

    return helper.make_model(
        helper.make_graph(
            [
                helper.make_node(node.op_type, list(node.inputs), list(node.outputs), **node.attributes)
                for node in graph.nodes
            ],
            "operation",
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
                for name, value in graph.inputs.items()
            ],
            [helper.make_empty_tensor_value_info(name) for name in graph.outputs],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fusion-workbench",
    )


def _result(returned: list[Any]) -> Any:
    return returned[0] if len(returned) == 1 else tuple(returned)
