"""ONNX Runtime on the CPU: the operation as a small graph, fed from NumPy's own memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from fused_kernels.catalog import Inputs, OnnxGraph, Op

from .entry import Entry

# Old enough for ONNX Runtime 1.20 and onnx 1.17, new enough to have LayerNormalization (17) and Gelu (20) as operators.
OPSET = 21
IR_VERSION = 10


def prepare(op: Op, inputs: Inputs, out: Any) -> Entry:
    """Return the entry; with ``out`` the session reads and writes NumPy's buffers, without it makes new arrays."""
    import onnxruntime

    graph: OnnxGraph = op.peers["onnx"](**inputs)
    fed = {name: np.ascontiguousarray(value) for name, value in graph.inputs.items()}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # warnings about a graph of one node help nobody
    session = onnxruntime.InferenceSession(model(graph).SerializeToString(), options, ["CPUExecutionProvider"])
    if out is None:
        return Entry(partial(session.run, list(graph.outputs), fed), inputs, result=_result)
    binding = session.io_binding()
    for name, value in fed.items():
        binding.bind_input(name, "cpu", 0, value.dtype, value.shape, value.ctypes.data)
    for name, buffer in zip(graph.outputs, out if isinstance(out, tuple) else (out,), strict=True):
        binding.bind_output(name, "cpu", 0, buffer.dtype, buffer.shape, buffer.ctypes.data)

    def result(_: Any, keep: Any = fed) -> Any:  # the binding holds addresses only: this keeps their arrays alive
        return out

    return Entry(partial(session.run_with_iobinding, binding), inputs, out, result)


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
