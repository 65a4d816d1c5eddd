"""The shape of every value in a graph, for inputs of given shapes."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.arrays import element_count
from workbench.errors import RunError

from .graph import dtype_of

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

_SMALL = 1024
"""Elements up to which a constant is kept, since other values' shapes may depend on it."""
_ROUNDS = 8
_FOLDED = frozenset(
    [
        "Abs",
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Concat",
        "Div",
        "Equal",
        "Flatten",
        "Floor",
        "Gather",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Less",
        "LessOrEqual",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "Pow",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Slice",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)
"""Operators by which exporters compute shapes; none makes more of little."""


@dataclass(frozen=True)
class Inferred:
    """What is known of a graph for inputs of given shapes.

    Parameters
    ----------
    nodes
        Those of the graph, functions put in place.
    values
        dtype and shape by name, of those that are known.
    outputs
        Names of the graph's outputs.
    """

    nodes: tuple[NodeProto, ...]
    values: Mapping[str, tuple[str, tuple[int, ...]]]
    outputs: tuple[str, ...]


def infer(proto: ModelProto, given: str, shapes: Mapping[str, tuple[int, ...]]) -> Inferred:
    """Return the shapes of all values that can be told.

    ONNX's own inference tells most. Where a shape is computed by nodes from other shapes, which it does not follow
    everywhere, those nodes are evaluated and it is asked again.

    Parameters
    ----------
    proto
        The model.
    given
        The source, for messages.
    shapes
        The shape of each input.

    Raises
    ------
    workbench.errors.RunError
        If the inference refuses the model.
    """
    from onnx import shape_inference

    try:
        light = _without_weights(proto, shapes)
        nodes = tuple(light.graph.node)
        outputs = tuple(value.name for value in light.graph.output)
        known: dict[str, np.ndarray[Any, Any]] = {}
        for _ in range(_ROUNDS):
            values = _values(shape_inference.infer_shapes(light, data_prop=True).graph)
            if not _fold(light, values, known):
                break
    except Exception as error:
        raise RunError(
            f"The shapes in {given} cannot be told: {str(error) or type(error).__name__}. Check the model with "
            "onnx.checker.check_model, and that the shapes of the inputs fit one another."
        ) from error
    folded = {name: (_dtype(array), array.shape) for name, array in known.items()}
    return Inferred(nodes, ChainMap(folded, values), outputs)


def _without_weights(proto: ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> ModelProto:
    """Return the model without its large weights, which become inputs, and with inputs of the given shapes."""
    from onnx import ModelProto, inliner
    from onnx.helper import make_tensor_value_info

    light = ModelProto(ir_version=max(proto.ir_version, 4), opset_import=proto.opset_import, functions=proto.functions)
    graph = light.graph
    graph.name = proto.graph.name or "graph"
    graph.node.extend(proto.graph.node)
    weights = {tensor.name for tensor in proto.graph.initializer}
    for tensor in proto.graph.initializer:
        if _is_small(tensor):
            graph.initializer.append(tensor)
        else:
            graph.input.append(make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    for value in proto.graph.input:
        if value.name in shapes:
            code = value.type.tensor_type.elem_type
            graph.input.append(make_tensor_value_info(value.name, code, shapes[value.name]))
        elif value.name not in weights:
            graph.input.append(value)
    for value in proto.graph.output:
        output = graph.output.add(name=value.name, type=value.type)
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.ClearField("shape")  # declared for other inputs
    return inliner.inline_local_functions(light) if light.functions else light


def _is_small(tensor: TensorProto) -> bool:
    return tensor.data_location != tensor.EXTERNAL and element_count(tuple(tensor.dims)) <= _SMALL


def _values(graph: GraphProto) -> dict[str, tuple[str, tuple[int, ...]]]:
    values = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if value.type.HasField("tensor_type") and kind.HasField("shape"):
            sizes = [size.dim_value for size in kind.shape.dim if size.HasField("dim_value") and size.dim_value >= 0]
            if len(sizes) == len(kind.shape.dim):
                values[value.name] = dtype_of(kind.elem_type), tuple(sizes)
    for tensor in graph.initializer:
        values[tensor.name] = dtype_of(tensor.data_type), tuple(tensor.dims)
    return values


def _fold(
    light: ModelProto,
    values: Mapping[str, tuple[str, tuple[int, ...]]],
    known: dict[str, np.ndarray[Any, Any]],
) -> bool:
    """Put the value of each node that computes with shapes in its place; return whether there was one."""
    from onnx import numpy_helper

    graph = light.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kept, progress = [], False
    for node in graph.node:
        results = _results(node, values, constants, light)
        if results is None:
            kept.append(node)
            continue
        progress = progress or node.op_type != "Constant"
        for name, array in zip(node.output, results, strict=False):
            if name:
                constants[name] = known[name] = array
                graph.initializer.append(numpy_helper.from_array(array, name))
    kept = [_copy(node) for node in kept]
    del graph.node[:]
    graph.node.extend(kept)
    return progress


def _results(
    node: NodeProto,
    values: Mapping[str, tuple[str, tuple[int, ...]]],
    constants: Mapping[str, np.ndarray[Any, Any]],
    light: ModelProto,
) -> list[np.ndarray[Any, Any]] | None:
    """Return the outputs of a node where they are few numbers that follow from what is known; else None."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    if node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type in ("Shape", "Size") and node.input[0] in values:
        shape = values[node.input[0]][1]
        ends = {attribute.name: attribute.i for attribute in node.attribute}
        part = shape[ends.get("start", 0) : ends.get("end", len(shape))]
        return [np.array(part if node.op_type == "Shape" else element_count(shape), np.int64)]
    small = all(name in constants and constants[name].size <= _SMALL for name in node.input if name)
    if node.op_type not in _FOLDED or not small:
        return None
    names = dict.fromkeys(name for name in node.input if name)
    model = helper.make_model(
        helper.make_graph(
            [node],
            "node",
            [helper.make_value_info(name, helper.make_tensor_type_proto(0, None)) for name in names],
            [helper.make_value_info(name, helper.make_tensor_type_proto(0, None)) for name in node.output if name],
        ),
        opset_imports=light.opset_import,
    )
    try:
        results = ReferenceEvaluator(model).run(None, {name: constants[name] for name in names})
        return [np.asarray(result) for result in results]
    except Exception:
        return None  # it stays in the graph, and its shape is told by inference or not at all


def _copy(node: NodeProto) -> NodeProto:
    from onnx import NodeProto

    copy = NodeProto()
    copy.CopyFrom(node)
    return copy


def _dtype(array: np.ndarray[Any, Any]) -> str:
    return "string" if array.dtype.kind in "OUS" else array.dtype.name
